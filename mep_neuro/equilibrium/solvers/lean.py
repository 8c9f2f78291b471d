"""Solver `lean`: sweeps in place, in the least memory.

Nothing is kept but one state of each unit: no current is cached, so a sweep takes two products per matrix
where `sweeps` takes one per half-sweep. A few samples are worked on at a time, so that what a sweep needs
meanwhile is a fraction of the states; samples at rest stay where they are.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mep_neuro.equilibrium.solvers.in_lattice import InLattice
from mep_neuro.equilibrium.solvers.modes import Mode
from mep_neuro.equilibrium.solvers.solver import complete, current_into, some_of, sum_of
from mep_neuro.equilibrium.solvers.solver import residual as residual_of
from mep_neuro.equilibrium.system import System

PARTS = 8
"""Parts of a batch, worked on one after the other: temporaries take about half of the states' bytes."""


class Lean:
    """Block updates in place.

    Attributes:
        states: State of each block, of the whole batch.
    """

    in_place = True
    membranes = None
    events = None

    def __init__(
        self,
        system: System,
        mode: Mode,
        drive: Sequence[Tensor | None],
        states: Sequence[Tensor | None],
        *,
        forth: bool = True,
    ) -> None:
        """Start from states; they are copied."""
        self._system, self._mode, self._drive = system, mode, drive
        own = [None if s is None else s.clone() for s in states]
        self.states = complete(system, own, drive)
        self._order = range(len(self.states)) if forth else range(len(self.states))[::-1]
        self._upwards = forth
        batch = self.states[0].shape[-2]
        self._rows, self._at_once = torch.arange(batch), -(-batch // PARTS)

    def step(self) -> None:
        """One sweep."""
        for rows in torch.split(self._rows, self._at_once):
            self._sweep(rows)

    def measured_step(self) -> Tensor:
        """One sweep; the largest change of each sample at work, shape (batch,)."""
        return torch.cat([self._sweep(rows) for rows in torch.split(self._rows, self._at_once)])

    def residual(self) -> Tensor:
        """Largest |s - rho(current)| of each sample at work, shape (batch,)."""
        found = []
        for rows in torch.split(self._rows, self._at_once):
            states = [s.index_select(-2, rows) for s in self.states]
            drive = some_of(self._drive, rows)
            found.append(residual_of(self._system.keep(rows), self._mode.keep(rows), drive, states))
        return torch.cat(found)

    def keep(self, rows: Tensor) -> None:
        """Go on with some of the samples."""
        self._rows = self._rows[rows]

    def _sweep(self, rows: Tensor) -> Tensor:
        """Sweep some samples; the largest change of each."""
        system, mode, drive = self._system.keep(rows), self._mode.keep(rows), some_of(self._drive, rows)
        states = [s.index_select(-2, rows) for s in self.states]
        largest: Tensor | None = None
        for block in self._order:
            new, distance = self._update(system, mode, block, drive, states)
            largest = distance if largest is None else largest.maximum(distance)
            states[block] = new
            self.states[block].index_copy_(-2, rows, new)
        assert largest is not None  # a system has a block
        return largest

    def _update(
        self,
        system: System,
        mode: Mode,
        block: int,
        drive: Sequence[Tensor | None],
        states: Sequence[Tensor],
    ) -> tuple[Tensor, Tensor]:
        """New states of one block, and the largest change of each sample."""
        lattice, form, old = system.lattices[block], mode.form(block), states[block]
        if lattice is None or form is None:
            new, turns = old, system.turns[block]
            for units in turns:
                seen = [*states[:block], new, *states[block + 1 :]]
                moved = mode.activate(block, current_into(system, block, drive, seen))
                new = moved if len(turns) == 1 else new.clone()
                new[..., units] = moved[..., units]
            return new, mode.distance(block, new, old)
        within = InLattice(lattice.map, form, drive[block], old, upwards=self._upwards)
        change = within.sweep(sum_of(system.others(block), None, states))
        return within.state, change
