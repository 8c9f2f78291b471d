"""From what a user writes after --data to a data set."""

import difflib
from collections.abc import Mapping
from pathlib import Path

from numpy.typing import ArrayLike

from mep_neuro.backends.data.csv_table import read_csv
from mep_neuro.backends.data.data_set import DataSet
from mep_neuro.backends.data.embedded import digits, xor
from mep_neuro.backends.data.idx import read_idx_folder
from mep_neuro.backends.data.npz import of_arrays, read_npz
from mep_neuro.errors import DataError

EMBEDDED = {"digits": digits, "xor": xor}
KNOWN = (*EMBEDDED, "mnist:DIR", "FILE.npz", "FILE.csv")


def load_data(source: str | Mapping[str, ArrayLike], *, seed: int = 1) -> DataSet:
    """Read a data set.

    Args:
        source: 'digits', 'xor', 'mnist:DIR' (a folder of IDX files in MNIST's layout), or the path of
            a .npz file (x_train, y_train, x_test, y_test) or of a .csv file (header, `label` column); or
            a mapping of these four names to arrays: features of shape (samples, features), labels
            (samples,), or (samples, positions) of sequences with a class at each position.
        seed: Of the split of a .csv file; every other source has a fixed split of its own.

    Returns:
        The data set: features float64, of digits and IDX images in [0, 1], of files as they are.

    Raises:
        DataError: The name is unknown, or the data cannot be read or are unfit.
    """
    if not isinstance(source, str):
        return of_arrays(source)
    spec_text = source
    if spec_text in EMBEDDED:
        return EMBEDDED[spec_text]()
    if spec_text.startswith("mnist:") and spec_text != "mnist:":
        return read_idx_folder(Path(spec_text.removeprefix("mnist:")).expanduser(), spec_text)
    path = Path(spec_text).expanduser()
    suffix = path.suffix.lower()
    if suffix not in (".npz", ".csv"):
        raise DataError(_unknown(spec_text))
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the path")
    return read_npz(path, spec_text) if suffix == ".npz" else read_csv(path, spec_text, seed)


def _unknown(spec_text: str) -> str:
    known = f"(known: {', '.join(KNOWN)})"
    if spec_text and Path(spec_text).expanduser().is_dir():
        return f"data '{spec_text}': a folder; for a folder of IDX files write 'mnist:{spec_text}' {known}"
    names = {"mnist": "mnist:DIR", "mnist:": "mnist:DIR", **{name: name for name in EMBEDDED}}
    close = difflib.get_close_matches(spec_text, names, n=1)
    meant = f"did you mean '{names[close[0]]}'? " if close else "choose one of those known "
    return f"data '{spec_text}': unknown data set; {meant}{known}"
