"""How long a check of a spectral bound holds: until the weights may have moved by what it left.

The radius of a matrix changes by at most the norm of its change, and that by at most the root of the sum
of the squares of its entries (Weyl 1912). So after a check that found radius r at weights W0, the radius at
W is at most r + |W - W0|, and the check is due again only when that exceeds the bound: a pass over the
weights instead of dozens of products. A check leaves SLACK below the bound for the next updates.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from mep_neuro.equilibrium.bounds.leading import LEAST_BLOCKS

MARGIN = 1.01
"""Ritz values lie below the eigenvalue, by a factor of 1.001 at most in thousands of changes of the kinds in
test_leading.py: the bound is enforced on MARGIN times them."""

SLACK = 0.03
"""Share of the bound that a check leaves to the updates after it; docs/optimizers.md says what it saves."""

IN_VAIN, UNWATCHED, SMALL_STEP = 3, 16, 0.25
"""After IN_VAIN checks in turn that were due at the very next update, where each time the change was within
SMALL_STEP of the radius, the change is looked at after every UNWATCHED checks alone. Those between need not
be thorough: no later update relies on them, and all of SLACK is for what they miss."""

SOFT_SHARE = 0.1
"""Of the way to the bound that 'soft' goes at each step."""


class Certificate:
    """What the last check established of some weights.

    Attributes:
        radius: Of the weights at that check, at most; infinite before the first.
        checks: Checks so far.
    """

    def __init__(self, weights: Mapping[str, Tensor], gains: Mapping[str, float]) -> None:
        """Watch weights; the map has blocks sqrt(gain) W, whose squares add up in its norm."""
        self.radius, self.checks = math.inf, 0
        self._weights, self._gains = weights, gains
        self._then: dict[str, Tensor] = {}
        self._moved = 0.0
        self._looks = self._in_vain = self._unwatched = 0

    @property
    def blocks(self) -> int:
        """Of the next check; a thorough one where later updates may be passed by on its word."""
        return LEAST_BLOCKS if self._unwatched <= 1 else 1 + self._unwatched % 2

    def at_most(self) -> float:
        """What the radius of the present weights cannot exceed; infinite where that is not known."""
        if not self._then:
            return math.inf
        self._looks += 1
        moved = 0.0
        for name, weight in self._weights.items():
            change = float(torch.linalg.vector_norm(weight - self._then[name]))
            moved += self._gains[name] * change * change
        self._moved = math.sqrt(moved)
        return self.radius + self._moved

    def renew(self, radius: float) -> None:
        """The radius of the present weights is at most this."""
        if self._then:
            in_vain = self._looks == 1 and self._moved <= SMALL_STEP * radius
            self._in_vain = self._in_vain + 1 if in_vain else 0
            self._unwatched = UNWATCHED if self._in_vain >= IN_VAIN else 0
        else:
            self._unwatched = max(self._unwatched - 1, 0)
        self.radius, self.checks, self._looks = radius, self.checks + 1, 0
        watched = {} if self._unwatched else self._weights
        self._then = {name: weight.detach().clone() for name, weight in watched.items()}

    def state(self) -> dict[str, Tensor]:
        """For resuming: the radius, what looks at the change found, and the weights at the last check."""
        counts = [self._moved, self._looks, self._in_vain, self._unwatched]
        return {"radius": torch.tensor([self.radius, *counts], dtype=torch.float64), **self._then}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave."""
        self.radius, self._moved, *counts = state["radius"].tolist()
        self._looks, self._in_vain, self._unwatched = map(int, counts)
        self._then = {name: value.clone() for name, value in state.items() if name != "radius"}


def within(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries whose names begin so, without the beginning."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def aim(gamma: float, mode: str) -> float:
    """Where a check brings a radius above it: 'hard' leaves SLACK to the next updates, 'soft' nothing."""
    return gamma * (1.0 - SLACK) if mode == "hard" else gamma


def shrink(radius: float, aim: float, mode: str) -> float:
    """What brings a radius above its aim to it at once, or SOFT_SHARE of the way ('soft', in logarithms)."""
    return aim / radius if mode == "hard" else (aim / radius) ** SOFT_SHARE
