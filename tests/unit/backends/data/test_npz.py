"""NumPy archives, written to disk by the tests."""

import pickle
import zipfile

import numpy as np
import pytest

from mep_neuro.backends.data.load import load_data
from mep_neuro.errors import DataError

GOOD = {
    "x_train": np.linspace(-5, 5, 12, dtype=np.float32).reshape(4, 3),
    "y_train": np.array([0, 1, 0, 1]),
    "x_test": np.ones((2, 3)),
    "y_test": np.array([1, 0]),
}


def refusal(path) -> str:
    with pytest.raises(DataError) as caught:
        load_data(str(path))
    return str(caught.value)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_features_are_taken_as_they_are(tmp_path, save):
    save(tmp_path / "d.NPZ.npz", **GOOD, more=np.zeros(3))
    data = load_data(str(tmp_path / "d.NPZ.npz"))
    assert np.array_equal(data.x_train, GOOD["x_train"].astype(np.float64))
    assert np.array_equal(data.y_test, GOOD["y_test"])
    assert data.split == "4 samples to train, 2 held out: the file's own training and test parts"


def test_missing_keys_are_named_all_at_once(tmp_path):
    np.savez(tmp_path / "d.npz", x_train=GOOD["x_train"], images=GOOD["x_test"])
    lines = refusal(tmp_path / "d.npz").splitlines()
    assert [line.split("'")[1] for line in lines] == ["y_train", "x_test", "y_test"]
    assert lines[0].endswith("d.npz: no array 'y_train' (there are: x_train, images); add it")


def test_an_archive_runs_no_code(tmp_path):
    marker = tmp_path / "ran"
    np.savez(tmp_path / "d.npz", **(GOOD | {"y_train": np.array([Opens(str(marker))], dtype=object)}))
    message = refusal(tmp_path / "d.npz")
    assert "d.npz: y_train: an array of Python objects, which is not unpickled; save real numbers" in message
    assert not marker.exists()


class Opens:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_a_pickle_is_no_archive(tmp_path):
    marker = tmp_path / "ran"
    (tmp_path / "d.npz").write_bytes(pickle.dumps(Opens(str(marker))))
    assert "d.npz: no NumPy archive (" in refusal(tmp_path / "d.npz")
    assert not marker.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"x,y\n1,2\n"])
def test_no_archive(tmp_path, content):
    (tmp_path / "d.npz").write_bytes(content)
    message = refusal(tmp_path / "d.npz")
    assert "d.npz: no NumPy archive (" in message
    assert message.endswith("; write it with numpy.savez")


def test_one_array_is_no_archive(tmp_path):
    with (tmp_path / "d.npz").open("wb") as file:
        np.save(file, GOOD["x_train"])
    assert "d.npz: one array, not an archive; write x_train, y_train," in refusal(tmp_path / "d.npz")


def test_damaged_array(tmp_path):
    np.savez(tmp_path / "d.npz", **GOOD)
    content = (tmp_path / "d.npz").read_bytes()
    at = content.index(GOOD["x_train"].tobytes())
    (tmp_path / "d.npz").write_bytes(content[:at] + b"\xff" + content[at + 1 :])
    message = refusal(tmp_path / "d.npz")
    assert "d.npz: x_train: damaged array (Bad CRC-32" in message
    assert message.endswith("; write the file again")


def test_a_member_that_is_no_array(tmp_path):
    np.savez(tmp_path / "d.npz", **{k: v for k, v in GOOD.items() if k != "x_train"})
    with zipfile.ZipFile(tmp_path / "d.npz", "a") as archive:
        archive.writestr("x_train.npy", b"1 2 3")
    assert "d.npz: x_train: not in NumPy's array format; write the file with numpy" in refusal(
        tmp_path / "d.npz"
    )


def test_a_single_value(tmp_path):
    np.savez(tmp_path / "d.npz", **(GOOD | {"y_test": np.array(3)}))
    assert "d.npz: y_test: a single value; give an array" in refusal(tmp_path / "d.npz")


def test_a_header_that_promises_too_much(tmp_path):
    np.savez(tmp_path / "d.npz", **{k: v for k, v in GOOD.items() if k != "x_train"})
    with zipfile.ZipFile(tmp_path / "d.npz", "a") as archive, archive.open("x_train.npy", "w") as member:
        np.lib.format.write_array_header_1_0(
            member, {"descr": "<f8", "fortran_order": False, "shape": (10**7, 10**9)}
        )
    assert "d.npz: x_train: damaged array (" in refusal(tmp_path / "d.npz")


def test_mistakes_in_the_arrays_name_the_file(tmp_path):
    np.savez(tmp_path / "d.npz", **(GOOD | {"y_train": np.array([0, 1, 0, -4])}))
    assert refusal(tmp_path / "d.npz").endswith("d.npz: y_train: label -4 in row 3; " + WHOLE)


WHOLE = "give whole numbers from 0 to classes - 1"
