"""Solver `synchronous`: the membrane dynamics, all populations at once.

    v <- v + dt / tau_mem (current - v),   s = rho(v)

Explicit Euler on tau_mem dv/dt = -v + current (design, 'Dynamics'): step for step what Brian2 does.
"""

from torch import Tensor

from mep_neuro.equilibrium.modes import Mode
from mep_neuro.equilibrium.system import System


class Synchronous:
    """Euler steps of the membranes."""

    def __init__(
        self,
        system: System,
        mode: Mode,
        drive: list[Tensor],
        states: list[Tensor],
        membranes: list[Tensor] | None = None,
    ) -> None:
        """Start from membranes, or from those at rest under the states' own currents."""
        self._system, self._mode, self._drive = system, mode, drive
        self.states = list(states)
        self.membranes = self._currents() if membranes is None else list(membranes)

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
        total = distances[0]
        for distance in distances[1:]:
            total = total.maximum(distance)
        return total

    def keep(self, rows: Tensor) -> None:
        """Go on with some of the samples."""
        self._mode = self._mode.keep(rows)
        self._drive = [drive.index_select(-2, rows) for drive in self._drive]
        self.states = [state.index_select(-2, rows) for state in self.states]
        self.membranes = [v.index_select(-2, rows) for v in self.membranes]

    def _currents(self) -> list[Tensor]:
        totals = []
        for drive, links in zip(self._drive, self._system.links, strict=True):
            total = drive
            for link in links:
                total = total + link.current(self.states[link.source])
            totals.append(total)
        return totals
