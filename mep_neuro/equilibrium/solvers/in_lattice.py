"""A population that couples to itself, while it settles unit by unit.

All units at once need not lower the energy: an inhibitory lattice of radius above 1 goes to and fro for
ever. One unit at a time does for any weights, and carries a signal through the whole lattice in one
sweep. Always in the same direction: from the input's side in the free phase, from the output's in the
nudged one. That takes about half the sweeps of all units at once, going to and fro three quarters (6^3
units, 26 neighbours).
"""

from collections.abc import Mapping, MutableSequence, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from mep_neuro.equilibrium.couplings.neighbours import Neighbours
from mep_neuro.equilibrium.couplings.units_first import samples_first, units_first
from mep_neuro.equilibrium.solvers.form import Form
from mep_neuro.equilibrium.solvers.modes import Mode
from mep_neuro.equilibrium.solvers.solver import narrow
from mep_neuro.equilibrium.system import System

T = TypeVar("T", Tensor, Tensor | None)


class InLattice:
    """The states of one population, units first, and their sweeps.

    Attributes:
        state: Shape (..., n); changes in place.
        currents: Current under which each state was taken, where they are kept; changes in place.
    """

    def __init__(
        self,
        neighbours: Neighbours,
        form: Form,
        drive: Tensor | None,
        start: Tensor,
        *,
        upwards: bool,
        with_currents: bool = False,
    ) -> None:
        """Start from states, which are not changed, under a constant current like them."""
        self._neighbours, self._form, self._upwards = neighbours, form, upwards
        self._memory = units_first(start)
        if self._memory.data_ptr() == start.data_ptr():
            self._memory = self._memory.clone()
        self.state = samples_first(self._memory, start.shape)
        self._drive = None if drive is None else units_first(drive.expand_as(start))
        self._rule = form.rule(self._memory.shape[1], start.dtype)
        self._currents = torch.empty_like(self._memory) if with_currents else None

    @property
    def currents(self) -> Tensor | None:
        """Current under which each state was taken, shape (..., n); None where they are not kept."""
        return None if self._currents is None else samples_first(self._currents, self.state.shape)

    def sweep(self, others: Tensor | None = None, *, omega: Tensor | None = None) -> Tensor:
        """Update every unit under the drive and the other populations' current.

        Args:
            others: That current, like the state.
            omega: How far each sample goes towards its new state, shape (batch, 1); None is all the way.

        Returns:
            Largest |rho(current) - s| of each sample when its turn came, shape (batch,).
        """
        copies = self._memory.shape[1] // self.state.shape[-2]
        distance, before = self._form.distance, self._memory
        if distance is not None:
            before = before.clone()
        change = self._neighbours.sweep(
            self._memory,
            self._base(others),
            self._rule,
            upwards=self._upwards,
            currents=self._currents,
            omega=None if omega is None else omega.squeeze(-1).repeat(copies),
        )
        if distance is None:
            return self._form.largest(change)
        return distance(self.state, samples_first(before, self.state.shape))

    def residual(self, others: Tensor | None = None) -> Tensor:
        """Largest |s - rho(current)| of each sample, as the mode measures it; nothing changes."""
        base, form = self._base(others), self._form
        currents = None if form.distance is None else torch.empty_like(self._memory)
        change = self._neighbours.sweep(
            self._memory, base, self._rule, upwards=True, currents=currents, write=False
        )
        if form.distance is None or currents is None:
            return form.largest(change)
        rest = form.rho.rate(samples_first(currents, self.state.shape))
        return form.distance(rest if form.gate is None else rest * form.gate, self.state)

    def keep(self, rows: Tensor, form: Form) -> None:
        """Go on with some of the samples."""
        batch = self.state.shape[-2]
        columns = torch.cat([rows + k * batch for k in range(self._memory.shape[1] // batch)])
        shape = (*self.state.shape[:-2], len(rows), self.state.shape[-1])
        self._memory = self._memory.index_select(1, columns)
        self.state = samples_first(self._memory, torch.Size(shape))
        self._drive = None if self._drive is None else self._drive.index_select(1, columns)
        self._form, self._rule = form, form.rule(len(columns), self.state.dtype)
        self._currents = None if self._currents is None else self._currents.index_select(1, columns)

    def _base(self, others: Tensor | None) -> Tensor:
        if others is None:
            return torch.zeros_like(self._memory) if self._drive is None else self._drive
        laid = units_first(others.expand_as(self.state))
        return laid if self._drive is None else laid + self._drive


def in_lattices(
    system: System, mode: Mode, drive: Sequence[Tensor | None], states: Sequence[Tensor], *, forth: bool
) -> dict[int, InLattice]:
    """The blocks with a lattice that settle unit by unit, from the input's side where `forth`."""
    found = {}
    for block, lattice in enumerate(system.lattices):
        form = mode.form(block)
        if lattice is not None and form is not None:
            found[block] = InLattice(lattice.map, form, drive[block], states[block], upwards=forth)
    return found


def keep_within(
    within: Mapping[int, InLattice], mode: Mode, states: MutableSequence[T], rows: Tensor
) -> None:
    """Keep the rows of some samples, in the room of one block more than the states take.

    Args:
        within: The blocks that settle unit by unit.
        mode: That of the samples that stay.
        states: Of each block; change.
        rows: The samples that stay.
    """
    for block, lattice in within.items():
        form = mode.form(block)
        assert form is not None  # as before
        states[block] = lattice.state.new_empty(0)  # its room serves the copy
        lattice.keep(rows, form)
    narrow(states, rows, but=within)
    for block, lattice in within.items():
        states[block] = lattice.state
