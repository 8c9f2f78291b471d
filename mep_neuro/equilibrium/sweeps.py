"""Solver `sweeps`: each population in turn takes its equilibrium given its neighbours.

Forth and back through the populations. A projection's current is computed again only after the
population it comes from has changed: one product per matrix and half-sweep. Between populations
the energy never rises (each update minimises a strongly convex function of its block); inside
a lattice all units move at once.

Source: block coordinate descent on the energy; Scellier and Bengio 2017, equation 5, for the
dynamics whose fixed point it shares.
"""

from torch import Tensor

from mep_neuro.equilibrium.modes import Mode
from mep_neuro.equilibrium.system import System


class Sweeps:
    """Block updates forth (odd steps) and back (even steps)."""

    def __init__(self, system: System, mode: Mode, drive: list[Tensor], states: list[Tensor]) -> None:
        """Start from states; they are not changed in place."""
        self._system, self._mode, self._drive = system, mode, drive
        self.states = list(states)
        self._currents: list[list[Tensor | None]] = [[None] * len(links) for links in system.links]
        self._forth = True

    def step(self) -> None:
        """One half-sweep."""
        order = range(len(self.states))
        for block in order if self._forth else reversed(order):
            self._set(block, self._mode.activate(block, self._current(block)))
        self._forth = not self._forth

    def measured_step(self) -> Tensor:
        """One half-sweep; the largest change of each sample, shape (batch,)."""
        before = self.states
        self.states = list(before)
        self.step()
        return _largest([self._mode.distance(b, self.states[b], old) for b, old in enumerate(before)])

    def residual(self) -> Tensor:
        """Largest |s - rho(current)| of each sample, shape (batch,)."""
        return _largest(
            [
                self._mode.distance(b, self._mode.activate(b, self._current(b)), state)
                for b, state in enumerate(self.states)
            ]
        )

    def keep(self, rows: Tensor) -> None:
        """Go on with some of the samples."""
        self._mode = self._mode.keep(rows)
        self._drive = [drive.index_select(-2, rows) for drive in self._drive]
        self.states = [state.index_select(-2, rows) for state in self.states]
        self._currents = [[None] * len(links) for links in self._system.links]

    def _current(self, block: int) -> Tensor:
        total = self._drive[block]
        known = self._currents[block]
        for position, link in enumerate(self._system.links[block]):
            current = known[position]
            if current is None:
                current = known[position] = link.current(self.states[link.source])
            total = total + current
        return total

    def _set(self, block: int, state: Tensor) -> None:
        self.states[block] = state
        for links, known in zip(self._system.links, self._currents, strict=True):
            for position, link in enumerate(links):
                if link.source == block:
                    known[position] = None


def _largest(distances: list[Tensor]) -> Tensor:
    total = distances[0]
    for distance in distances[1:]:
        total = total.maximum(distance)
    return total
