"""Solver `momentum`: successive over-relaxation of the sweeps.

    s <- s + omega (rho(current) - s)

block after block, always in the same order. With the coupled map's radius at most gamma < 1,

    omega = 2 / (1 + sqrt(1 - gamma^2))

is safe and, for layers in a row, the best: the error falls by omega - 1 a sweep instead of gamma^2
(gamma 0.9: 0.39 instead of 0.81); within a lattice unit after unit. Without a bound below 1, and for
currents that are not linear, omega is 1.

Safeguard: a sample whose change has not fallen over `CHECKED_EVERY` measured steps halves its
omega - 1; at omega = 1 these are plain sweeps.

Source: Young 1954 (omega); Cryer 1971 (boxes: any omega in (0, 2) converges on a convex quadratic
energy).
"""

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor

from mep_neuro.equilibrium.solvers.in_lattice import in_lattices, keep_within
from mep_neuro.equilibrium.solvers.modes import Mode
from mep_neuro.equilibrium.solvers.solver import complete, current_into, narrow, sum_of
from mep_neuro.equilibrium.solvers.solver import residual as residual_of
from mep_neuro.equilibrium.system import System

CHECKED_EVERY = 8
"""Over-relaxed changes grow like k omega^k at first: a check of every step would see rises that pass."""


def safe_omega(system: System) -> float:
    """Over-relaxation that the spectral bound allows."""
    if system.bound is None or system.bound >= 1.0 or not system.linear:
        return 1.0
    return 2.0 / (1.0 + sqrt(1.0 - system.bound**2))


class Momentum:
    """Over-relaxed block updates.

    Attributes:
        states: State of each block.
        omega: Over-relaxation of each sample, shape (batch, 1).
    """

    in_place = False
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
        """Start from states; they are not changed in place."""
        self._system, self._mode, self._drive = system, mode, list(drive)
        self.states = complete(system, states, drive)
        self._order = range(len(self.states)) if forth else range(len(self.states))[::-1]
        self._within = in_lattices(system, mode, drive, self.states, forth=forth)
        for block, within in self._within.items():
            self.states[block] = within.state
        some = self.states[0]
        self.omega = some.new_full((some.shape[-2], 1), safe_omega(system))
        self._checked = some.new_full((some.shape[-2],), torch.inf)
        self._steps = 0

    def step(self) -> None:
        """One sweep."""
        self._sweep()

    def measured_step(self) -> Tensor:
        """One sweep; the largest |rho(current) - s| of each sample when its block's turn came."""
        change = torch.stack(self._sweep()).amax(0)
        self._steps += 1
        if self._steps % CHECKED_EVERY == 0:
            risen = (change >= self._checked).unsqueeze(-1)
            self.omega = torch.where(risen, (self.omega + 1.0) / 2, self.omega)
            self._checked = change
        return change

    def residual(self) -> Tensor:
        """Largest |s - rho(current)| of each sample, shape (batch,)."""
        return residual_of(self._system, self._mode, self._drive, self.states)

    def keep(self, rows: Tensor) -> None:
        """Go on with some of the samples."""
        self._system, self._mode = self._system.keep(rows), self._mode.keep(rows)
        narrow(self._drive, rows)
        keep_within(self._within, self._mode, self.states, rows)
        self.omega, self._checked = self.omega[rows], self._checked[rows]

    def _sweep(self) -> list[Tensor]:
        distances = []
        for block in self._order:
            if block in self._within:
                others = sum_of(self._system.others(block), None, self.states)
                distances.append(self._within[block].sweep(others, omega=self.omega))
                continue
            state = self.states[block]
            rest = self._mode.activate(block, current_into(self._system, block, self._drive, self.states))
            distances.append(self._mode.distance(block, rest, state))
            self.states[block] = torch.lerp(state, rest, self.omega)
        return distances
