"""Solver `event_driven`: a unit is sent again only when it differs enough from the value last sent.

Every unit holds the current that has arrived and the value it sent last. Forth and back through the
populations, a unit whose rho(current) differs from the value sent by more than epsilon sends the
difference, and each of its synapses adds it to a current: one synaptic event a synapse. The
states are the values sent, so a network in which nobody sends at epsilon has a residual of at most
epsilon: the two are the same condition. Epsilon starts high and shrinks, sample by sample, each
time a sample falls quiet; at a fixed small epsilon the first rounds would send every wiggle.

Only the sum of a current's changes is known, so each link must be linear in the states.

Source: O'Connor, Gavves and Welling 2019, training a spiking network with Equilibrium Propagation
(differences sent through a threshold).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mep_neuro.equilibrium.solvers.modes import Mode
from mep_neuro.equilibrium.solvers.solver import complete, current_into, narrow
from mep_neuro.equilibrium.system import System
from mep_neuro.errors import UnsupportedError

FIRST_EPSILON = 0.1
"""Rates are of order one."""

SHRINK = 0.5
"""Factor on epsilon when a sample falls quiet."""


class EventDriven:
    """Differences sent through a threshold, and counted.

    Attributes:
        states: Value last sent of each block.
        epsilon: Threshold of each sample, shape (batch, 1).
        events: Synaptic events of each sample, shape (batch,); a unit of a pair counts for two.
    """

    in_place = False
    membranes = None

    def __init__(
        self,
        system: System,
        mode: Mode,
        drive: Sequence[Tensor | None],
        states: Sequence[Tensor | None],
        *,
        forth: bool = True,
        first_epsilon: float = FIRST_EPSILON,
    ) -> None:
        """Start from states, sent before: their synapses are not counted.

        Raises:
            UnsupportedError: A current is not linear in the states.
        """
        if not system.linear:
            raise UnsupportedError(
                "equilibrium.solver: event_driven sends differences, and attention is not linear in "
                "the rates; write sweeps"
            )
        self._system, self._mode, self._forth = system, mode, forth
        self._drive = list(drive)
        self.states = complete(system, states, drive)
        self._fan_out = system.fan_out
        still = all(s is None for s in states)
        self._currents = complete(system, drive, self.states) if still else self._sums()
        some = self.states[0]
        self.events = torch.zeros(some.shape[-2], dtype=torch.float64)
        self.epsilon = some.new_full((some.shape[-2], 1), first_epsilon)
        self._phases = 1 if some.ndim == 2 else len(some)

    def step(self) -> None:
        """One half-sweep."""
        self.measured_step()

    def measured_step(self) -> Tensor:
        """One half-sweep; the largest |rho(current) - value sent| of each sample when it was visited."""
        largest = torch.zeros_like(self.epsilon)
        blocks = range(len(self.states))
        for block in blocks if self._forth else reversed(blocks):
            largest = largest.maximum(self._send(block))
        self._forth = not self._forth
        quiet = largest <= self.epsilon
        self.epsilon = torch.where(quiet, self.epsilon * SHRINK, self.epsilon)
        return largest.squeeze(-1)

    def residual(self) -> Tensor:
        """Largest |s - rho(current)| of each sample, from currents summed afresh: no rounding adds up."""
        self._currents = self._sums()
        distances = [
            self._mode.distance(block, self._mode.activate(block, current), self.states[block])
            for block, current in enumerate(self._currents)
        ]
        return torch.stack(distances).amax(0)

    def keep(self, rows: Tensor) -> None:
        """Go on with some of the samples."""
        self._system, self._mode = self._system.keep(rows), self._mode.keep(rows)
        narrow(self._drive, rows)
        narrow(self.states, rows)
        narrow(self._currents, rows)
        self.events, self.epsilon = self.events[rows], self.epsilon[rows]

    def _send(self, block: int) -> Tensor:
        """Send what has moved beyond epsilon; the largest move of each sample, shape (batch, 1)."""
        new, sent = self._mode.activate(block, self._currents[block]), self.states[block]
        gap = self._mode.gap(block, new, sent)
        moved = gap > self.epsilon
        largest = gap.amax(-1, keepdim=True)
        if not bool(moved.any()):
            return largest
        difference = (new - sent).mul_(moved)
        self.states[block] = torch.where(moved, new, sent)  # sent + difference may round away from new
        self.events += self._phases * (moved.to(torch.float64) @ self._fan_out[block])
        for target, position in self._system.targets[block]:
            link = self._system.links[target][position]
            self._currents[target] = link.onto(self._currents[target], difference)
        return largest

    def _sums(self) -> list[Tensor]:
        return [current_into(self._system, b, self._drive, self.states) for b in range(len(self.states))]
