"""IDX folders: the four files of MNIST and of every data set in its layout.

Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database, 'File formats'.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from mep_neuro.backends.data.data_set import DataSet, checked, raise_all
from mep_neuro.errors import DataError

Bytes = NDArray[np.uint8]

_IMAGES, _LABELS = 2051, 2049  # magic numbers: 8 bits unsigned, three dimensions and one
_MEANING = {_IMAGES: "images", _LABELS: "labels"}
_PARTS = {"train": "train", "test": "t10k"}
_CHUNK = 1 << 20  # bytes read at once: a header may promise more than the file holds


def read_idx_folder(folder: Path, name: str) -> DataSet:
    """Read the training and test files of a folder, packed with gzip or plain; pixels divided by 255.

    Args:
        folder: Holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
            t10k-labels-idx1-ubyte, each with or without .gz.
        name: What the user asked for.

    Raises:
        DataError: A file is missing, damaged or of another kind, or counts differ.
    """
    if not folder.is_dir():
        raise DataError(f"{name}: {folder} is no folder; give the folder that holds the IDX files")
    paths = _find_files(folder, name)
    parts: dict[str, NDArray[np.generic]] = {}
    for part in _PARTS:
        images = read_idx(paths[f"{part}-images"], _IMAGES)
        labels = read_idx(paths[f"{part}-labels"], _LABELS)
        if len(images) != len(labels):
            raise DataError(
                f"{paths[f'{part}-labels']}: {len(labels)} labels for the {len(images)} images of "
                f"{paths[f'{part}-images'].name}; fetch both files again"
            )
        parts[f"x_{part}"] = images.reshape(len(images), math.prod(images.shape[1:])) / 255
        parts[f"y_{part}"] = labels
    sizes = f"{len(parts['y_train'])} images to train, {len(parts['y_test'])} held out"
    return checked(name, parts, f"{sizes}: the files' own training and test parts")


def _find_files(folder: Path, name: str) -> dict[str, Path]:
    found, mistakes = {}, []
    for part, stem in _PARTS.items():
        for kind, dimensions in (("images", 3), ("labels", 1)):
            base = f"{stem}-{kind}-idx{dimensions}-ubyte"
            dotted = f"{stem}-{kind}.idx{dimensions}-ubyte"  # as some archives unpack it
            names = (base, f"{base}.gz", dotted, f"{dotted}.gz")
            path = next((folder / n for n in names if (folder / n).is_file()), None)
            if path is None:
                mistakes.append(f"{name}: no {part} {kind} in {folder}; looked for {', '.join(names)}")
            else:
                found[f"{part}-{kind}"] = path
    raise_all(mistakes)
    return found


def read_idx(path: Path, magic: int) -> Bytes:
    """Read one IDX file of unsigned bytes.

    Args:
        path: The file; packed with gzip or plain, as its first bytes say.
        magic: The magic number that it must begin with.

    Returns:
        The array, shape as in the file's header.

    Raises:
        DataError: The file is no such IDX file, is cut off, or goes on after its data.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            return _read_idx(file, path, magic)  # type: ignore[arg-type]  # GzipFile reads as a BinaryIO does
    except EOFError as error:
        raise DataError(f"{path}: the gzip file is cut off; fetch it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip file ({error}); fetch it again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the file") from error


def _read_idx(file: BinaryIO, path: Path, magic: int) -> Bytes:
    header = file.read(4)
    found = int.from_bytes(header, "big")
    if len(header) < 4 or found != magic:
        hint = f", which means {_MEANING[found]}" if found in _MEANING else ""
        begins = f"begins with {found}{hint}" if len(header) == 4 else f"has {len(header)} bytes"
        raise DataError(f"{path}: {begins}; IDX {_MEANING[magic]} begin with {magic}, give such a file")
    dimensions = magic & 0xFF
    sizes = file.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise DataError(f"{path}: cut off within its header; fetch it again")
    shape = struct.unpack(f">{dimensions}I", sizes)
    promised = math.prod(shape)
    data = bytearray()
    while len(data) < promised and (chunk := file.read(min(_CHUNK, promised - len(data)))):
        data += chunk
    if len(data) < promised:
        raise DataError(f"{path}: holds {len(data)} of the {promised} bytes of shape {shape}; fetch it again")
    if file.read(1):
        raise DataError(f"{path}: goes on after the {promised} bytes of shape {shape}; fetch it again")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)
