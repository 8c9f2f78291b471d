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


def synapses(bundle: Bundle, samples: int, post: Part, pre: Part) -> tuple[Ints, tuple[Ints, Ints]] | None:
    """Weights from one part to another, (values, (rows, columns)); None where there are none.

    The samples are copies of the network: with W the weights, this is the block matrix kron(1, W).
    """
    arrays = bundle.arrays
    row, column = arrays["weight_post"] - post.offset, arrays["weight_pre"] - pre.offset
    inside = (row >= 0) & (row < post.size) & (column >= 0) & (column < pre.size)
    if not inside.any():
        return None
    copies = np.arange(samples, dtype=np.int64)[:, None]
    rows, columns = (row[inside] + post.size * copies).ravel(), (column[inside] + pre.size * copies).ravel()
    return np.tile(arrays["weight"][inside].astype(np.int32), samples), (rows, columns)


def pairs(every: tuple[Part, ...]) -> Iterator[tuple[Part, Part]]:
    """Every (post, pre)."""
    return ((post, pre) for post in every for pre in every)
