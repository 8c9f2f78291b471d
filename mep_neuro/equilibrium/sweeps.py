"""Solver `sweeps`: each population in turn takes its equilibrium given its neighbours.

Forth and back through the populations. A projection's current is computed again only after the
population it comes from has changed, and a population is updated only after a current into it
has: one product per matrix and half-sweep. Between populations the energy never rises (each
update minimises a strongly convex function of its block); inside a lattice all units move at once.

Source: block coordinate descent on the energy; Scellier and Bengio 2017, equation 5, for the
dynamics whose fixed point it shares.
"""

from collections.abc import Sequence

from torch import Tensor

from mep_neuro.equilibrium.modes import Mode
from mep_neuro.equilibrium.system import System


class Sweeps:
    """Block updates forth and back.

    Attributes:
        states: State of each block; None stands for zeros that were never touched.
        membranes: Current under which each state was taken.
    """

    def __init__(
        self,
        system: System,
        mode: Mode,
        drive: Sequence[Tensor | None],
        states: Sequence[Tensor | None],
        *,
        forth: bool = True,
    ) -> None:
        """Start from states; they are not changed in place."""
        self._system, self._mode, self._drive, self._forth = system, mode, drive, forth
        self.states: list[Tensor | None] = list(states)
        self.membranes: list[Tensor | None] = [None] * len(states)
        self._forget()

    def step(self) -> None:
        """One half-sweep."""
        blocks = range(len(self.states))
        for block in blocks if self._forth else reversed(blocks):
            if not self._fresh[block]:
                self._update(block)
        self._forth = not self._forth

    def measured_step(self) -> Tensor:
        """One half-sweep; the largest change of each sample, shape (batch,)."""
        before = list(self.states)
        self.step()
        return self._largest(before, self.states)

    def residual(self) -> Tensor:
        """Largest |s - rho(current)| of each sample, shape (batch,)."""
        after = list(self.states)
        for block, fresh in enumerate(self._fresh):
            current = None if fresh else self._current(block)
            if current is not None:
                after[block] = self._mode.activate(block, current)
        return self._largest(self.states, after)

    def keep(self, rows: Tensor) -> None:
        """Go on with some of the samples."""
        self._system, self._mode = self._system.keep(rows), self._mode.keep(rows)
        self._drive = [None if d is None else d.index_select(-2, rows) for d in self._drive]
        self.states = [None if s is None else s.index_select(-2, rows) for s in self.states]
        self.membranes = [None if v is None else v.index_select(-2, rows) for v in self.membranes]
        self._forget()

    def _forget(self) -> None:
        self._currents: list[list[Tensor | None]] = [[None] * len(links) for links in self._system.links]
        self._fresh = [False] * len(self.states)

    def _update(self, block: int) -> None:
        current = self._current(block)
        if current is None:
            return
        self.membranes[block] = current
        self.states[block] = self._mode.activate(block, current)
        self._fresh[block] = True
        for target, position in self._system.targets[block]:
            self._currents[target][position] = None
            self._fresh[target] = False

    def _current(self, block: int) -> Tensor | None:
        """Drive and currents of the neighbours; None where all of them are zero.

        The first link's kept current includes the drive.
        """
        total, kept = self._drive[block], self._currents[block]
        for position, link in enumerate(self._system.links[block]):
            seen = link.seen(self.states)
            if seen is None:
                continue
            current = kept[position]
            if position == 0:
                if current is None:
                    current = link.current(*seen) if total is None else link.onto(total, *seen)
                    kept[0] = current
                total = current
            else:
                if current is None:
                    current = kept[position] = link.current(*seen)
                total = current if total is None else total + current
        return total

    def _largest(self, old: Sequence[Tensor | None], new: Sequence[Tensor | None]) -> Tensor:
        """Largest difference over the blocks that differ, shape (batch,)."""
        total: Tensor | None = None
        for block, (before, after) in enumerate(zip(old, new, strict=True)):
            if after is None or after is before:
                continue
            distance = self._mode.distance(block, after, before)
            total = distance if total is None else total.maximum(distance)
        if total is not None:
            return total
        some = next(t for t in (*new, *self._drive) if t is not None)
        return some.new_zeros(some.shape[-2])
