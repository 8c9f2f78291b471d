"""IDX folders, written to disk by the tests."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest

from mep_neuro.backends.data.load import load_data
from mep_neuro.errors import DataError

RNG = np.random.default_rng(0)
IMAGES = {
    "train": RNG.integers(0, 256, (30, 4, 5), np.uint8),
    "t10k": RNG.integers(0, 256, (12, 4, 5), np.uint8),
}
LABELS = {"train": (np.arange(30) % 3).astype(np.uint8), "t10k": (np.arange(12) % 3).astype(np.uint8)}


def idx(array: np.ndarray, magic: int | None = None) -> bytes:
    head = struct.pack(f">{1 + array.ndim}I", magic or 0x800 + array.ndim, *array.shape)
    return head + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    for stem in ("train", "t10k"):
        (tmp_path / f"{stem}-images-idx3-ubyte").write_bytes(idx(IMAGES[stem]))
        (tmp_path / f"{stem}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS[stem])))
    return tmp_path


def refusal(folder) -> str:
    with pytest.raises(DataError) as caught:
        load_data(f"mnist:{folder}")
    return str(caught.value)


def test_plain_and_packed_files_are_read(folder):
    data = load_data(f"mnist:{folder}")
    assert np.array_equal(data.x_train, IMAGES["train"].reshape(30, 20) / 255)
    assert np.array_equal(data.x_test, IMAGES["t10k"].reshape(12, 20) / 255)
    assert np.array_equal(data.y_train, LABELS["train"])
    assert np.array_equal(data.y_test, LABELS["t10k"])
    assert data.classes == 3
    assert data.split == "30 images to train, 12 held out: the files' own training and test parts"


def test_names_with_a_dot_are_found(folder):
    for path in list(folder.iterdir()):
        path.rename(folder / path.name.replace("-idx", ".idx"))
    assert load_data(f"mnist:{folder}").x_train.shape == (30, 20)


def test_packed_by_content_not_by_name(folder):
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert load_data(f"mnist:{folder}").x_train.shape == (30, 20)


def test_no_folder(tmp_path):
    assert refusal(tmp_path / "no").endswith("no is no folder; give the folder that holds the IDX files")


def test_missing_files_are_named_all_at_once(folder):
    (folder / "train-images-idx3-ubyte").unlink()
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    lines = refusal(folder).splitlines()
    assert len(lines) == 2
    assert f"no train images in {folder}; looked for train-images-idx3-ubyte, " in lines[0]
    assert "looked for t10k-labels-idx1-ubyte, t10k-labels-idx1-ubyte.gz, t10k-labels.idx1-ubyte" in lines[1]


def test_swapped_files(folder):
    (folder / "train-images-idx3-ubyte").write_bytes(idx(LABELS["train"]))
    message = refusal(folder)
    assert "begins with 2049, which means labels; IDX images begin with 2051, give such a file" in message


@pytest.mark.parametrize("content", [b"", b"\x00\x00"])
def test_no_magic_number(folder, content):
    (folder / "train-images-idx3-ubyte").write_bytes(content)
    assert f"train-images-idx3-ubyte: has {len(content)} bytes; IDX images begin with 2051" in refusal(folder)


def test_wrong_magic_number(folder):
    (folder / "train-images-idx3-ubyte").write_bytes(idx(IMAGES["train"], magic=0xD03))
    assert "train-images-idx3-ubyte: begins with 3331; IDX images begin with 2051" in refusal(folder)


def test_cut_off_header(folder):
    (folder / "train-images-idx3-ubyte").write_bytes(idx(IMAGES["train"])[:10])
    assert "train-images-idx3-ubyte: cut off within its header; fetch it again" in refusal(folder)


def test_cut_off_pixels(folder):
    (folder / "train-images-idx3-ubyte").write_bytes(idx(IMAGES["train"])[:-7])
    assert "holds 593 of the 600 bytes of shape (30, 4, 5); fetch it again" in refusal(folder)


def test_bytes_left_over(folder):
    (folder / "train-images-idx3-ubyte").write_bytes(idx(IMAGES["train"]) + b"x")
    assert "goes on after the 600 bytes of shape (30, 4, 5); fetch it again" in refusal(folder)


def test_truncated_gzip(folder):
    path = folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    assert "train-labels-idx1-ubyte.gz: the gzip file is cut off; fetch it again" in refusal(folder)


def test_damaged_gzip(folder):
    path = folder / "train-labels-idx1-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # of the checksum
    path.write_bytes(content)
    assert "train-labels-idx1-ubyte.gz: damaged gzip file (CRC check failed" in refusal(folder)


def test_counts_differ(folder):
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS["train"][:-1])))
    message = refusal(folder)
    assert "train-labels-idx1-ubyte.gz: 29 labels for the 30 images of train-images-idx3-ubyte;" in message


def test_image_sizes_differ(folder):
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(IMAGES["t10k"][:, :3]))
    assert "x_train has 20 features, x_test has 15; give both the same" in refusal(folder)


def test_no_images(folder):
    (folder / "train-images-idx3-ubyte").write_bytes(idx(IMAGES["train"][:0]))
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(idx(LABELS["train"][:0]))
    assert "x_train: empty, shape (0, 20); give at least one sample and one feature" in refusal(folder)


def test_a_header_that_promises_too_much_costs_no_memory(folder):
    head = struct.pack(">4I", 2051, 2**32 - 1, 2**16, 2**16)
    (folder / "train-images-idx3-ubyte").write_bytes(head + bytes(1000))
    tracemalloc.start()
    try:
        assert "holds 1000 of the 18446744069414584320 bytes" in refusal(folder)
        assert tracemalloc.get_traced_memory()[1] < 20e6  # a few read buffers of 1 MiB
    finally:
        tracemalloc.stop()


def test_reading_needs_a_small_multiple_of_the_data(folder):
    images = np.zeros((4000, 28, 28), np.uint8)
    (folder / "train-images-idx3-ubyte").write_bytes(idx(images))
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(idx((np.arange(4000) % 3).astype(np.uint8)))
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(images[:12]))
    tracemalloc.start()
    try:
        data = load_data(f"mnist:{folder}")
        # float64 is 8 times the file; beside it the file's bytes and blocks of the finiteness check.
        assert tracemalloc.get_traced_memory()[1] < 2.5 * data.x_train.nbytes
    finally:
        tracemalloc.stop()
