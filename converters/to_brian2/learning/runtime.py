"""Patterns on a runtime target: one run() shows them all, and Python looks in between."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.learning.plastic import Plastic, read
from mep_neuro.converters.to_brian2.objects import code_generation

Array = NDArray[np.float64]
Done = Callable[[Array, float, bool], None]
"""Called after each pattern with the free output rates, the largest move at the end of its phases, and
whether weights may be read and written now."""

BETWEEN_PATTERNS = -10
"""Order of what happens at the first tick of a pattern before anything of that pattern does."""


class Runtime:
    """Numbers are read from, and written to, the objects themselves."""

    def __init__(self, brian2: Any, plastic: Plastic, target: str) -> None:
        """Take the objects."""
        self._brian2, self._plastic, self._target = brian2, plastic, target

    @contextmanager
    def making(self) -> Iterator[None]:
        """Monitors need no device of their own here."""
        yield

    def read(self, group: Any, variable: str) -> Array:
        """A variable as it is now."""
        values: Array = read(group, variable)
        return values

    def write(self, group: Any, variable: str, values: Array) -> None:
        """Set a variable."""
        setattr(group, variable, values)

    def show(self, pieces: Sequence[int], place: int, done: Done) -> None:
        """Show so many patterns, from a place of the schedule (which the clock itself knows here)."""
        brian2, plastic, patterns = self._brian2, self._plastic, sum(pieces)
        output, begun = plastic.populations[plastic.source.output.name], False

        def look() -> None:
            nonlocal begun
            if begun:
                groups = [plastic.populations[p.name] for p in plastic.source.dynamic]
                done(read(output, "answer"), max(float(read(g, "moved").max()) for g in groups), True)
            begun = True

        duration = plastic.times.steps * plastic.dt * brian2.second
        clock = brian2.Clock(dt=duration, name="ep_pattern*")
        operation = brian2.NetworkOperation(
            look, clock=clock, when="start", order=BETWEEN_PATTERNS, name="ep_between*"
        )
        plastic.network.add(operation)
        try:
            with code_generation(brian2, self._target), np.errstate(over="ignore", invalid="ignore"):
                plastic.network.run(patterns * duration, namespace={})
        finally:
            plastic.network.remove(operation)
        look()
