"""Patterns in a standalone program: it starts again where weights are consolidated and where an epoch ends.

The program is compiled once for a network, its phases and the size of the training part. Weights, traces,
patterns and their order are told to it at each start, and the weights and traces are read when it ends.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.learning.plastic import Plastic, read
from mep_neuro.converters.to_brian2.learning.runtime import BETWEEN_PATTERNS, Done
from mep_neuro.converters.to_brian2.standalone.program import Program

Array = NDArray[np.float64]


class Standalone:
    """Numbers are kept here between two starts of the program."""

    def __init__(
        self, brian2: Any, plastic: Plastic, program: Program, told: Mapping[str, NDArray[Any]]
    ) -> None:
        """Take the objects, and add the monitors of what each pattern came to.

        Args:
            brian2: The module.
            plastic: The objects, made while the program was making them.
            program: Their program.
            told: The schedule and the patterns, by 'object.variable'.
        """
        self._plastic, self._program, self._told = plastic, program, dict(told)
        self._now = {
            f"{group.name}.{variable}": np.zeros(len(group)) for group, variable in plastic.changing()
        }
        with program.making():
            clock = brian2.Clock(dt=plastic.times.steps * plastic.dt * brian2.second, name="ep_pattern")
            groups = {p.name: plastic.populations[p.name] for p in plastic.source.dynamic}
            options = {"record": True, "clock": clock, "when": "start", "order": BETWEEN_PATTERNS}
            self._moved = {
                name: brian2.StateMonitor(group, "moved", name=f"ep_moved_{group.name}", **options)
                for name, group in groups.items()
            }
            output = groups[plastic.source.output.name]
            self._answer = brian2.StateMonitor(output, "answer", name="ep_answer", **options)
            plastic.network.add(*self._moved.values(), self._answer)

    @contextmanager
    def making(self) -> Iterator[None]:
        """Monitors made inside belong to the program."""
        with self._program.making():
            yield

    def read(self, group: Any, variable: str) -> Array:
        """A variable as the program left it, or as it was written since."""
        return self._now[f"{group.name}.{variable}"].copy()

    def write(self, group: Any, variable: str, values: Array) -> None:
        """Set a variable for the next start."""
        now = self._now[f"{group.name}.{variable}"]
        self._now[f"{group.name}.{variable}"] = np.broadcast_to(values, now.shape).astype(np.float64)

    def show(self, pieces: Sequence[int], place: int, done: Done) -> None:
        """Show the patterns of each piece in one start of the program, from a place of the schedule."""
        plastic = self._plastic
        self._program.build(plastic.network)
        used = {f"{name}.values" for name in self._program.device.timed_arrays.values()}
        told = {name: array for name, array in self._told.items() if name in used}
        for patterns in pieces:
            first = {f"{g.name}.first": np.array([place]) for g in plastic.populations.values()}
            self._program.run({**told, **self._now, **first}, patterns * plastic.times.steps * plastic.dt)
            self._now = {
                f"{group.name}.{variable}": read(group, variable) for group, variable in plastic.changing()
            }
            answers, moves = self._patterns()
            for number in range(patterns):
                done(answers[number], float(moves[number]), number == patterns - 1)
            place += patterns

    def _patterns(self) -> tuple[Array, Array]:
        """Free output rates of each pattern, (patterns, n), and its largest move.

        A monitor looks when the next pattern begins, and at the end the groups hold the last one's.
        """
        populations, output = self._plastic.populations, self._plastic.source.output.name
        answers = np.vstack([np.asarray(self._answer.answer).T[1:], read(populations[output], "answer")])
        moves = [
            np.r_[np.asarray(m.moved)[:, 1:].max(axis=0), read(populations[name], "moved").max()]
            for name, m in self._moved.items()
        ]
        return answers, np.max(moves, axis=0)
