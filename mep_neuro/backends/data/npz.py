"""NumPy archives: x_train, y_train, x_test, y_test."""

import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mep_neuro.backends.data.data_set import DataSet, checked, raise_all
from mep_neuro.errors import DataError

_KEYS = ("x_train", "y_train", "x_test", "y_test")


def read_npz(path: Path, name: str) -> DataSet:
    """Read an archive as `numpy.savez` writes it; features are taken as they are.

    Nothing is unpickled: an archive cannot run code.

    Raises:
        DataError: The archive or an array in it is missing, damaged or unfit.
    """
    try:
        archive = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: no NumPy archive ({error}); write it with numpy.savez") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise DataError(f"{path}: one array, not an archive; write {', '.join(_KEYS)} with numpy.savez")
    with archive:
        _refuse_missing(str(path), archive.files)
        parts = {key: _array(archive, key, path) for key in _KEYS}
    return _checked(name, parts, "the file's own training and test parts")


def of_arrays(arrays: Mapping[str, ArrayLike]) -> DataSet:
    """The data set of x_train, y_train, x_test and y_test in memory.

    Raises:
        DataError: An array is missing or unfit.
    """
    _refuse_missing("arrays", arrays)
    parts = {key: np.asarray(arrays[key]) for key in _KEYS}
    raise_all([f"arrays: {key}: a single value; give an array" for key in _KEYS if parts[key].ndim == 0])
    return _checked("arrays", parts, "training and test parts as they were given")


def _refuse_missing(where: str, names: Collection[str]) -> None:
    raise_all(
        [
            f"{where}: no array '{key}' (there are: {', '.join(names) or 'none'}); add it"
            for key in _KEYS
            if key not in names
        ]
    )


def _checked(name: str, parts: dict[str, NDArray[Any]], split: str) -> DataSet:
    sizes = f"{len(parts['y_train'])} samples to train, {len(parts['y_test'])} held out"
    return checked(name, parts, f"{sizes}: {split}")


def _array(archive: "np.lib.npyio.NpzFile", key: str, path: Path) -> NDArray[Any]:
    try:
        array = archive[key]
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path}: {key}: an array of Python objects, which is not unpickled; save real numbers"
            ) from error
        raise DataError(f"{path}: {key}: damaged array ({error}); write the file again") from error
    except (OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise DataError(f"{path}: {key}: damaged array ({error}); write the file again") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: {key}: not in NumPy's array format; write the file with numpy.savez")
    if array.ndim == 0:
        raise DataError(f"{path}: {key}: a single value; give an array")
    return array
