"""A mode as numbers: how states follow from currents where a compiled loop takes them unit by unit."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mep_neuro.equilibrium.activation import LINEAR_EXPONENT, Rho
from mep_neuro.equilibrium.couplings.units_first import flat, units_first

RATE, PAIR, HALF = 0, 1, 2
"""One state, a mean and a half-difference, or a half-difference about known currents."""


class Rule(NamedTuple):
    """What the loop reads; the arrays are flat.

    Attributes:
        how: RATE, PAIR or HALF.
        kind: Of rho: CLAMP, TANH or SIGMOID.
        low: Where a clamp ends.
        high: Where a clamp ends.
        down: Half-differences are held times 1 / down, a power of two.
        up: 1 / down.
        steep: Whether rho is linear in the half-difference.
        at: Currents that a half-difference lies about, units first; empty without HALF.
        gate: Multiplies the state.
        gates: Numbers of `gate` for each unit: 0, 1, or as many as columns.
        weight: Multiplies the change of half-differences, a number for each unit; empty with RATE.
    """

    how: int
    kind: int
    low: Any
    high: Any
    down: Any
    up: Any
    steep: bool
    at: Any
    gate: Any
    gates: int
    weight: Any


class Form(NamedTuple):
    """One block of a mode.

    Attributes:
        how: RATE, PAIR or HALF.
        rho: The activation, and how half-differences are held.
        weight: Energy weight of each unit, shape (n,), in the distance of half-differences.
        size: Gives each sample's |beta f|, shape (batch,), that this distance is measured in.
        at: With HALF, the currents, shape (batch, n).
        gate: Multiplies the states, shape (n,) or (batch, n).
        distance: Gives the change of each sample from new and old states where it is no change of columns.
    """

    how: int
    rho: Rho
    weight: Tensor | None = None
    size: Callable[[], Tensor] | None = None
    at: Tensor | None = None
    gate: Tensor | None = None
    distance: Callable[[Tensor, Tensor], Tensor] | None = None

    def rule(self, columns: int, dtype: torch.dtype) -> Rule:
        """As the loop takes it, for memory of so many columns."""
        nothing = torch.empty(0, dtype=dtype)
        rho, exponent = self.rho, 0 if self.how == RATE else self.rho.exponent
        steep = exponent >= LINEAR_EXPONENT
        bounds = [rho.low, rho.high, *((1.0, 1.0) if steep else (2.0**-exponent, 2.0**exponent))]
        low, high, down, up = np.array(bounds, flat(nothing).dtype)
        gate, gates = nothing, 0
        if self.gate is not None:
            shared = self.gate.ndim == 1
            copies = 1 if shared else columns // self.gate.shape[0]
            gate = self.gate if shared else units_first(self.gate).repeat(1, copies)
            gates = 1 if shared else columns
        at = nothing if self.at is None else units_first(self.at)
        weight = nothing if self.weight is None else self.weight
        return Rule(self.how, rho.kind, low, high, down, up, steep, flat(at), flat(gate), gates, flat(weight))

    def largest(self, change: Tensor) -> Tensor:
        """Change of each sample, shape (batch,), from that of each column."""
        if self.size is None:
            return change
        if self.how == HALF:
            return change / self.size()
        mean, half = change.view(2, -1)
        return torch.maximum(mean, half / self.size())
