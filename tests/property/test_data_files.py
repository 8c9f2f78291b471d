"""A file with any bytes changed is read or refused in words: never another exception."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mep_neuro.backends.data.load import load_data
from mep_neuro.errors import DataError


def write(folder, kind: str) -> tuple[str, object]:
    """A good data set of that kind; what to load, and the file to damage."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 9, (12, 2, 2), np.uint8), (np.arange(12) % 2).astype(np.uint8)
    if kind == "csv":
        text = "a,label\n" + "".join(f"{v},{label}\n" for v, label in zip(x[:, 0, 0], y, strict=True))
        (folder / "d.csv").write_text(text)
        return str(folder / "d.csv"), folder / "d.csv"
    if kind.startswith("npz"):
        save = np.savez if kind == "npz" else np.savez_compressed
        save(folder / "d.npz", x_train=x.reshape(12, 4), y_train=y, x_test=x.reshape(12, 4), y_test=y)
        return str(folder / "d.npz"), folder / "d.npz"
    for stem in ("train", "t10k"):
        images = struct.pack(">4I", 2051, *x.shape) + x.tobytes()
        (folder / f"{stem}-images-idx3-ubyte").write_bytes(
            gzip.compress(images) if kind == "gzip" else images
        )
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 2049, 12) + y.tobytes())
    return f"mnist:{folder}", folder / "train-images-idx3-ubyte"


@pytest.mark.parametrize("kind", ["csv", "npz", "npz packed", "idx", "gzip"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_refused_in_words(tmp_path, kind, data):
    name, path = write(tmp_path, kind)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
    loaded, refusal = None, "what; what to do"
    try:
        loaded = load_data(name)
    except DataError as error:
        refusal = str(error)
    assert "; " in refusal
    if loaded is not None:
        assert np.isfinite(loaded.x_train).all()
        assert set(loaded.y_train) == set(range(loaded.classes))
