"""Parts of a population written as in numpy: 'cube[:, :, -1]'."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PART = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_-]*)\s*(?:\[([^\[\]]*)\])?\s*")
_INDEX = re.compile(r"\s*(?:(-?\d{1,9})|(-?\d{1,9})?\s*:\s*(-?\d{1,9})?)\s*")


@dataclass(frozen=True)
class Part:
    """A population, or the units of it that an index selects."""

    population: str
    index: tuple[int | slice, ...] | None

    def ranges(self, shape: tuple[int, ...]) -> tuple[range, ...]:
        """Selected indices along each axis.

        Raises:
            ValueError: The index does not fit the shape, or selects nothing.
        """
        index = self.index or ()
        if len(index) > len(shape):
            raise ValueError(f"{len(index)} indices into {len(shape)} axes; write at most {len(shape)}")
        whole = (slice(None),) * (len(shape) - len(index))
        return tuple(_along(axis, *pair) for axis, pair in enumerate(zip(index + whole, shape, strict=True)))

    def units(self, shape: tuple[int, ...]) -> NDArray[np.intp]:
        """Flat indices of the selected units, ascending, in C order.

        Raises:
            ValueError: The index does not fit the shape, or selects nothing.
        """
        chosen = np.ix_(*self.ranges(shape))
        return np.arange(int(np.prod(shape))).reshape(shape)[chosen].ravel()


def _along(axis: int, index: int | slice, size: int) -> range:
    if isinstance(index, slice):
        chosen = range(*index.indices(size))
        if not chosen:
            raise ValueError(f"the index selects no unit of axis {axis}, which has {size}; widen it")
        return chosen
    if not -size <= index < size:
        raise ValueError(f"index {index} is outside axis {axis} of {size} units; write 0 to {size - 1}")
    return range(index % size, index % size + 1)


def parse_part(text: str) -> Part:
    """Read a population's name with an optional index.

    Raises:
        ValueError: The text is not of the form name or name[i, a:b, ...].
    """
    match = _PART.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no population; write a name, or a part such as 'cube[:, :, 0]'")
    name, inside = match.groups()
    if inside is None:
        return Part(name, None)
    indices: list[int | slice] = []
    for item in inside.split(","):
        found = _INDEX.fullmatch(item)
        if found is None:
            raise ValueError(
                f"{item.strip()!r} in {text!r} is no index; write a number, or a range such as 0:3"
            )
        single, start, stop = found.groups()
        if single is not None:
            indices.append(int(single))
        else:
            indices.append(slice(None if start is None else int(start), None if stop is None else int(stop)))
    return Part(name, tuple(indices))
