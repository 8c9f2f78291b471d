"""Tables of comma-separated values: a header, a `label` column, one sample a line."""

import csv
import math
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mep_neuro.backends.data.data_set import DataSet, checked, class_mistakes, label_mistakes, raise_all
from mep_neuro.backends.data.split import stratified_split
from mep_neuro.errors import DataError

_LABEL = "label"
_HELD_OUT = 0.25
_MISTAKES_SHOWN = 10


def read_csv(path: Path, name: str, seed: int) -> DataSet:
    """Read a table and hold out a quarter of it; features are taken as they are.

    Args:
        path: The file, UTF-8.
        name: What the user asked for.
        seed: Of the split.

    Raises:
        DataError: The table cannot be read, or its labels are no classes.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            columns, label_column = _header(path, next(reader, []))
            values = _values(path, reader, columns)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the file") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: no UTF-8 text ({error.reason}); save it as UTF-8") from error
    except csv.Error as error:
        raise DataError(
            f"{path}: line {reader.line_num}: {error}; write plain comma-separated values"
        ) from error
    table = np.frombuffer(values, dtype=np.float64).reshape(-1, len(columns))
    labels, features = table[:, label_column], np.delete(table, label_column, axis=1)
    raise_all(label_mistakes(f"{path}: column '{_LABEL}'", labels))
    classes = labels.astype(np.int64)
    raise_all(class_mistakes(f"{path}: column '{_LABEL}'", classes))
    train, test = stratified_split(str(path), classes, round(_HELD_OUT * len(classes)), seed)
    parts = {
        "x_train": features[train],
        "y_train": classes[train],
        "x_test": features[test],
        "y_test": classes[test],
    }
    sizes = f"{len(train)} samples to train, {len(test)} held out"
    return checked(name, parts, f"{sizes}, stratified by class, drawn with seed {seed}")


def _header(path: Path, header: list[str]) -> tuple[list[str], int]:
    columns = [column.strip() for column in header]
    if not columns:
        raise DataError(f"{path}: empty; give a header and one sample a line")
    if columns.count(_LABEL) != 1:
        shown = ", ".join(columns[:8]) + (", ..." if len(columns) > 8 else "")
        count = columns.count(_LABEL) or "no"
        raise DataError(
            f"{path}: line 1: {count} columns are named '{_LABEL}' (there are: {shown}); "
            f"name the column of the class numbers '{_LABEL}'"
        )
    if len(columns) < 2:
        raise DataError(f"{path}: line 1: no feature columns beside '{_LABEL}'; add them")
    return columns, columns.index(_LABEL)


def _values(path: Path, reader: Iterator[list[str]], columns: list[str]) -> "array[float]":
    """All numbers of the table, row by row: 8 bytes each, no list of texts."""
    values: array[float] = array("d")
    mistakes: list[str] = []
    for row in reader:
        if not row:
            continue
        where = f"{path}: line {reader.line_num}"  # type: ignore[attr-defined]  # csv's reader has it
        if len(row) != len(columns):
            mistakes.append(
                f"{where}: {len(row)} values, the header names {len(columns)} columns; give as many"
            )
        else:
            mistakes += _append_row(values, row, where, columns)
        if len(mistakes) >= _MISTAKES_SHOWN:
            break
    raise_all(mistakes)
    if not values:
        raise DataError(f"{path}: no samples below the header; give one sample a line")
    return values


def _append_row(values: "array[float]", row: list[str], where: str, columns: list[str]) -> list[str]:
    try:
        numbers = [float(text) for text in row]
    except ValueError:
        numbers = []
    # Python reads 1_000 as 1000; in a data file it is more likely a slip.
    if numbers and all(map(math.isfinite, numbers)) and "_" not in "".join(row):
        values.extend(numbers)
        return []
    column, text = next((c, t) for c, t in zip(columns, row, strict=True) if not _is_number(t))
    return [f"{where}: column '{column}': {text!r} is no finite number; give one"]


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False
