"""A data set that was checked: features, labels, the split, and what identifies it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mep_neuro.errors import DataError
from mep_neuro.simulation.network import Network
from mep_neuro.topology.spec import NetworkSpec

Features = NDArray[np.float64]
Labels = NDArray[np.int64]

_ROWS_AT_ONCE = 4096  # of the finiteness check, so that it needs no second array of the data's size


@dataclass(frozen=True, eq=False)
class DataSet:
    """Features and labels, in a training and a held-out part.

    Attributes:
        name: What the user asked for, such as 'digits' or 'mnist:DIR'.
        x_train: Features, shape (samples, features), float64.
        y_train: Labels 0..classes-1, int64; every class occurs. Shape (samples,), or (samples, positions) of
            sequences with a class at each position.
        x_test: As x_train, held out.
        y_test: As y_train, held out; a class may be absent.
        classes: Number of classes.
        split: How the two parts were made, in words.
    """

    name: str
    x_train: Features
    y_train: Labels
    x_test: Features
    y_test: Labels
    classes: int
    split: str

    @property
    def features(self) -> int:
        """Number of features of one sample."""
        return int(self.x_train.shape[1])

    @property
    def positions(self) -> int:
        """Positions of a sequence, each with a class of its own; 1 where a sample has one class."""
        return 1 if self.y_train.ndim == 1 else int(self.y_train.shape[1])

    @cached_property
    def identity(self) -> str:
        """sha256 over the four arrays (name, shape and little-endian bytes), as 64 hex digits."""
        digest = hashlib.sha256()
        for name in ("x_train", "y_train", "x_test", "y_test"):
            array = getattr(self, name)
            stored = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            digest.update(f"{name} {stored.dtype.str} {stored.shape}\n".encode())
            digest.update(stored.reshape(-1).view(np.uint8).data)
        return digest.hexdigest()

    def check(self, network: Network | NetworkSpec) -> None:
        """Refuse a network whose input or output population has another size than the data.

        Raises:
            DataError: Features, positions or classes do not fit.
        """
        spec = network.spec if isinstance(network, Network) else network
        needs: list[tuple[Literal["input", "output"], int, str]] = [("input", self.features, "features")]
        mistakes = []
        if (self.y_train.ndim, self.positions) == (1 + (spec.positions > 1), spec.positions):
            what = (
                "classes" if spec.positions == 1 else f"positions times classes of {spec.positions} positions"
            )
            needs.append(("output", spec.positions * self.classes, what))
        else:
            wanted = "(samples,), one class number per sample, not one-hot rows"
            if spec.positions > 1:
                wanted = f"(samples, {spec.positions}), a class number for each position of the output"
            mistakes.append(f"{self.name}: y_train: shape {self.y_train.shape}; give {wanted}")
        for role, count, what in needs:
            name = spec.population_with_role(role)
            units = int(np.prod(spec.populations[name].shape))
            if units != count:
                mistakes.append(
                    f"population '{name}': {units} units, the data has {count} {what} ({self.name}); "
                    f"give the population {count} units or choose other data"
                )
        raise_all(mistakes)


def checked(name: str, parts: Mapping[str, NDArray[Any]], split: str) -> DataSet:
    """Make a data set of raw arrays, or say everything that is wrong with them.

    Args:
        name: What the user asked for; begins every message.
        parts: x_train, y_train, x_test, y_test as read; features may have any real type.
        split: How the two parts were made, in words.

    Raises:
        DataError: Wrong shape or type, empty, not finite, labels that are no classes 0..n-1.
    """
    mistakes: list[str] = []
    for part in ("train", "test"):
        x, y = parts[f"x_{part}"], parts[f"y_{part}"]
        mistakes += feature_mistakes(f"{name}: x_{part}", x)
        mistakes += label_mistakes(f"{name}: y_{part}", y)
        if not mistakes and len(x) != len(y):
            mistakes.append(
                f"{name}: x_{part} has {len(x)} samples, y_{part} has {len(y)} labels; "
                "give one label per sample"
            )
    raise_all(mistakes)
    y_train, y_test = parts["y_train"].astype(np.int64), parts["y_test"].astype(np.int64)
    raise_all(
        _width_mistakes(name, parts)
        + class_mistakes(f"{name}: y_train", y_train)
        + _unseen_mistakes(f"{name}: y_test", y_train, y_test)
    )
    return DataSet(
        name=name,
        x_train=np.ascontiguousarray(parts["x_train"], dtype=np.float64),
        y_train=y_train,
        x_test=np.ascontiguousarray(parts["x_test"], dtype=np.float64),
        y_test=y_test,
        classes=int(y_train.max()) + 1,
        split=split,
    )


def raise_all(mistakes: list[str]) -> None:
    """Raise one DataError with a line per mistake, if there is any."""
    if mistakes:
        raise DataError("\n".join(mistakes))


def feature_mistakes(where: str, x: NDArray[Any]) -> list[str]:
    """What is wrong with features alone, at most one mistake."""
    if x.dtype.kind not in "biuf":
        return [f"{where}: values of type {x.dtype}; give real numbers"]
    if x.ndim != 2:
        return [f"{where}: shape {x.shape}; give (samples, features), such as x.reshape(len(x), -1)"]
    if x.size == 0:
        return [f"{where}: empty, shape {x.shape}; give at least one sample and one feature"]
    for start in range(0, len(x), _ROWS_AT_ONCE):
        # In float64, as it will be used: a long double may be finite and its float64 not.
        finite = np.isfinite(np.asarray(x[start : start + _ROWS_AT_ONCE], dtype=np.float64))
        if not finite.all():
            row, column = (int(i) for i in np.argwhere(~finite)[0])
            value = x[start + row, column]
            return [f"{where}: row {start + row}, column {column} is {value}; give finite numbers"]
    return []


def label_mistakes(where: str, y: NDArray[Any]) -> list[str]:
    """What is wrong with labels alone, at most one mistake."""
    if y.dtype.kind not in "biuf":
        return [f"{where}: labels of type {y.dtype}; give whole numbers from 0"]
    if y.ndim not in (1, 2):
        return [
            f"{where}: shape {y.shape}; give (samples,), one class number per sample, or (samples, positions)"
        ]
    if y.size == 0:
        return [f"{where}: empty; give at least one label"]
    # `not (…)` also catches NaN; 2^31 keeps the conversion to int64 exact.
    wrong = (
        ~((y >= 0) & (y < 2**31)) if y.dtype.kind != "f" else ~((y >= 0) & (y < 2**31) & (y == np.floor(y)))
    )
    if wrong.any():
        place = tuple(map(int, np.argwhere(wrong)[0]))
        return [f"{where}: label {y[place]} in row {place[0]}; give whole numbers from 0 to classes - 1"]
    return []


def class_mistakes(where: str, y: Labels) -> list[str]:
    """Labels must be 0..n-1 with n at least 2, every class present."""
    present = np.unique(y)
    if present.size < 2:
        return [f"{where}: only one class (label {present[0]}); give at least two classes"]
    gaps = np.flatnonzero(present != np.arange(present.size))
    if gaps.size:
        return [
            f"{where}: class {gaps[0]} has no sample, but label {present[-1]} occurs; "
            "number the classes 0..n-1 and give each a training sample"
        ]
    return []


def _unseen_mistakes(where: str, y_train: Labels, y_test: Labels) -> list[str]:
    highest = int(y_train.max())
    unseen = y_test > highest
    if not unseen.any():
        return []
    place = tuple(map(int, np.argwhere(unseen)[0]))
    return [
        f"{where}: label {y_test[place]} in row {place[0]} is out of range 0..{highest} of the training "
        "labels; give every class a training sample"
    ]


def _width_mistakes(name: str, parts: Mapping[str, NDArray[Any]]) -> list[str]:
    mistakes = []
    for letter, what in (("x", "features"), ("y", "positions")):
        train, test = (parts[f"{letter}_{part}"].shape[1:] for part in ("train", "test"))
        if train != test:
            counts = [
                f"{letter}_{part} has {n[0] if n else 'no'} {what}"
                for part, n in (("train", train), ("test", test))
            ]
            mistakes.append(f"{name}: {counts[0]}, {counts[1].removesuffix(' ' + what)}; give both the same")
    return mistakes
