"""How a bundle's units lie in Lava's processes: one merged population, or one for each of the network."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from bundle_file import Bundle

Ints = np.ndarray[Any, Any]
LAYOUTS = ("merged", "separate")


@dataclass(frozen=True)
class Part:
    """Units that are one process; with several samples, a copy of them for each sample.

    Attributes:
        name: Of the process.
        offset: First unit.
        size: Units.
    """

    name: str
    offset: int
    size: int

    def columns(self, samples: int, units: int) -> Ints:
        """Where the part's units lie in arrays (samples, units), raveled; shape (samples * size,)."""
        columns: Ints = (units * np.arange(samples)[:, None] + self.offset + np.arange(self.size)).ravel()
        return columns

    def of(self, values: Ints) -> Ints:
        """The part of an array (samples, units), raveled."""
        return values[:, self.offset : self.offset + self.size].ravel()


def parts(bundle: Bundle, layout: str) -> tuple[Part, ...]:
    """The processes of a layout."""
    if layout == "merged":
        return (Part("network", 0, bundle.units),)
    return tuple(Part(p["name"], p["offset"], p["size"]) for p in bundle.manifest["parts"])


Weights = tuple[Ints, tuple[Ints, Ints]]
NO_WEIGHTS: Weights = (np.zeros(0, np.int32), (np.zeros(0, np.int64), np.zeros(0, np.int64)))


def synapses(
    bundle: Bundle, samples: int, post: Part, pre: Part, *, real: bool = False
) -> Iterator[tuple[int, Weights]]:
    """Weights from one part to another, as (exponent, (values, (rows, columns))); one for each exponent.

    The samples are copies of the network: with W the weights, these are the block matrix kron(1, W).
    Lava shifts the sums of one process by one exponent. Its floating-point models do not shift: with
    `real`, the weights are multiplied out instead.
    """
    arrays = bundle.arrays
    row, column = arrays["weight_post"] - post.offset, arrays["weight_pre"] - pre.offset
    inside = (row >= 0) & (row < post.size) & (column >= 0) & (column < pre.size)
    values, exponents = arrays["weight"].astype(np.int32), arrays["weight_exp"].astype(np.int32)
    if real:
        values, exponents = np.ldexp(values.astype(np.float64), exponents), np.zeros_like(exponents)
    copies = np.arange(samples, dtype=np.int64)[:, None]
    for exponent in np.unique(exponents[inside]).tolist():
        these = inside & (exponents == exponent)
        rows, columns = (row[these] + post.size * copies).ravel(), (column[these] + pre.size * copies).ravel()
        yield exponent, (np.tile(values[these], samples), (rows, columns))


def pairs(every: tuple[Part, ...]) -> Iterator[tuple[Part, Part]]:
    """Every (post, pre)."""
    return ((post, pre) for post in every for pre in every)
