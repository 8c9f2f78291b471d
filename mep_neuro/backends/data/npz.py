"""NumPy archives: x_train, y_train, x_test, y_test."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
        raise_all(
            [
                f"{path}: no array '{key}' (there are: {', '.join(archive.files) or 'none'}); add it"
                for key in _KEYS
                if key not in archive.files
            ]
        )
        parts = {key: _array(archive, key, path) for key in _KEYS}
    sizes = f"{len(parts['y_train'])} samples to train, {len(parts['y_test'])} held out"
    return checked(name, parts, f"{sizes}: the file's own training and test parts")


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
