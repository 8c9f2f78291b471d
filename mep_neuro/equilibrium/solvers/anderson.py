"""Solver `anderson`: sweeps, extrapolated from the last few.

With G one sweep and f(x) = G(x) - x, the next point is

    x <- G(x) - sum_i gamma_i dG_i,    gamma = argmin |f(x) - sum_i gamma_i df_i|

over the last `DEPTH` differences dG, df, for each sample by itself (and for mean and half-difference
of a pair by themselves). Safeguard: where an extrapolation has raised the change, the sample goes back to
its last plain sweep and forgets its differences; so at least every second step is a plain sweep's worth.

Source: Walker and Ni 2011, 'Anderson acceleration for fixed-point iterations'.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mep_neuro.equilibrium.solvers.modes import Mode
from mep_neuro.equilibrium.solvers.solver import complete, current_into, narrow
from mep_neuro.equilibrium.solvers.solver import residual as residual_of
from mep_neuro.equilibrium.system import System

DEPTH = 5
"""Differences kept."""

RIDGE = 100.0
"""Times the rounding unit: added to the unit diagonal of the normal equations."""


class Anderson:
    """Extrapolated sweeps.

    All states of a sample lie in one row, populations side by side.
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
        self._next = torch.cat(complete(system, states, drive), dim=-1)
        self._order = range(len(system.sizes)) if forth else range(len(system.sizes))[::-1]
        self._swept, self._moved = self._next, torch.zeros_like(self._next)
        rows, units = self._next.shape[:-1], self._next.shape[-1]
        self._swept_by = self._next.new_zeros(*rows, DEPTH, units)
        self._moved_by = torch.zeros_like(self._swept_by)
        self._change = self._next.new_full(rows[-1:], torch.inf)
        self._extrapolated = torch.zeros(rows[-1], dtype=torch.bool)
        self._steps = 0

    @property
    def states(self) -> list[Tensor]:
        """States after the last plain sweep that was accepted."""
        return list(torch.split(self._swept, self._system.sizes, dim=-1))

    def step(self) -> None:
        """One sweep and one extrapolation."""
        self.measured_step()

    def measured_step(self) -> Tensor:
        """One sweep and one extrapolation; the largest |G(x) - x| of each sample, shape (batch,)."""
        swept = self._sweep(self._next)
        moved = swept - self._next
        change = self._distance(swept, self._next)
        worse = ~(change <= self._change) & self._extrapolated
        if bool(worse.any()):
            back = worse.unsqueeze(-1)
            swept = torch.where(back, self._swept, swept)
            moved = torch.where(back, self._moved, moved)
            change = torch.where(worse, self._change, change)
        self._remember(swept, moved, worse)
        self._swept, self._moved, self._change = swept, moved, change
        self._next = swept if self._steps == 1 else swept - self._correction()
        self._extrapolated = ~worse
        return change

    def residual(self) -> Tensor:
        """Largest |s - rho(current)| of each sample, shape (batch,)."""
        return residual_of(self._system, self._mode, self._drive, self.states)

    def keep(self, rows: Tensor) -> None:
        """Go on with some of the samples."""
        self._system, self._mode = self._system.keep(rows), self._mode.keep(rows)
        narrow(self._drive, rows)
        self._next, self._swept, self._moved = (
            t.index_select(-2, rows) for t in (self._next, self._swept, self._moved)
        )
        self._swept_by = self._swept_by.index_select(-3, rows)
        self._moved_by = self._moved_by.index_select(-3, rows)
        self._change, self._extrapolated = self._change[rows], self._extrapolated[rows]

    def _sweep(self, start: Tensor) -> Tensor:
        states = list(torch.split(start, self._system.sizes, dim=-1))
        for block in self._order:
            states[block] = self._mode.activate(block, current_into(self._system, block, self._drive, states))
        return torch.cat(states, dim=-1)

    def _distance(self, new: Tensor, old: Tensor) -> Tensor:
        parts = (torch.split(t, self._system.sizes, dim=-1) for t in (new, old))
        pairs = enumerate(zip(*parts, strict=True))
        return torch.stack([self._mode.distance(block, n, o) for block, (n, o) in pairs]).amax(0)

    def _remember(self, swept: Tensor, moved: Tensor, worse: Tensor) -> None:
        """Keep the newest differences; a sample that goes back forgets all of its own."""
        if self._steps > 0:
            slot = self._steps % DEPTH
            self._swept_by[..., slot, :] = swept - self._swept
            self._moved_by[..., slot, :] = moved - self._moved
            self._swept_by[..., worse, :, :] = 0.0
            self._moved_by[..., worse, :, :] = 0.0
        self._steps += 1

    def _correction(self) -> Tensor:
        """Sum of gamma_i dG_i."""
        gram = (self._moved_by @ self._moved_by.mT).double()
        right = (self._moved_by @ self._moved.unsqueeze(-1)).double()
        scale = gram.diagonal(dim1=-2, dim2=-1).sqrt().clamp_min(1e-300).unsqueeze(-1)
        gram = gram / scale / scale.mT
        gram.diagonal(dim1=-2, dim2=-1).fill_(1.0 + RIDGE * torch.finfo(self._next.dtype).eps)
        weights = torch.linalg.solve(gram, right / scale) / scale
        total: Tensor = weights.to(self._next.dtype).mT @ self._swept_by
        return total.squeeze(-2)
