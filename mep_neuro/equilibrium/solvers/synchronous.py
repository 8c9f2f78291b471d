"""Solver `synchronous`: the membrane dynamics, all populations at once.

    v <- v + dt / tau_mem (current - v),   s = rho(v)

Explicit Euler on tau_mem dv/dt = -v + current (design, 'Dynamics'): step for step what Brian2 does.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mep_neuro.equilibrium.solvers.modes import Mode
from mep_neuro.equilibrium.solvers.solver import narrow
from mep_neuro.equilibrium.system import System


class Synchronous:
    """Euler steps of the membranes.

    Attributes:
        states: State of each block.
        membranes: Membrane of each block.
    """

    in_place = False
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
        """Start from membranes at rest under the states' own currents; `forth` has no meaning here."""
        some = next(t for t in (*drive, *states) if t is not None)
        zeros = [some.new_zeros(*some.shape[:-1], size) for size in system.sizes]
        self._system, self._mode = system, mode
        self._drive = [zero if d is None else d for d, zero in zip(drive, zeros, strict=True)]
        self.states = [zero if s is None else s for s, zero in zip(states, zeros, strict=True)]
        self.membranes = self._currents()

    def step(self) -> None:
        """One Euler step."""
        for block, current in enumerate(self._currents()):
            self.membranes[block] = self.membranes[block].lerp(current, self._system.step_fraction[block])
        self.states = [self._mode.activate(b, v) for b, v in enumerate(self.membranes)]

    def measured_step(self) -> Tensor:
        """One Euler step; the residual after it, shape (batch,)."""
        self.step()
        return self.residual()

    def residual(self) -> Tensor:
        """Largest |s - rho(current)| of each sample, shape (batch,)."""
        distances = [
            self._mode.distance(b, self._mode.activate(b, current), self.states[b])
            for b, current in enumerate(self._currents())
        ]
        return torch.stack(distances).amax(0)

    def keep(self, rows: Tensor) -> None:
        """Go on with some of the samples."""
        self._system, self._mode = self._system.keep(rows), self._mode.keep(rows)
        narrow(self._drive, rows)
        narrow(self.states, rows)
        narrow(self.membranes, rows)

    def _currents(self) -> list[Tensor]:
        totals = []
        for drive, links in zip(self._drive, self._system.links, strict=True):
            total = drive
            for link in links:
                seen = link.seen(self.states)
                assert seen is not None  # no state is left out here
                total = total + link.current(*seen)
            totals.append(total)
        return totals
