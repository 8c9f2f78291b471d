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

MARGIN = 1.01
"""Ritz values lie below the eigenvalue, by a factor of 1.005 at most in hundreds of changes of 256 x 784 and
512 x 512, of the kinds in test_matrix_bound.py: the bound is enforced on MARGIN times them."""

SLACK = 0.03
"""Share of the bound that a check leaves to the updates after it; docs/optimizers.md says what it saves."""

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

    def at_most(self) -> float:
        """What the radius of the present weights cannot exceed."""
        if math.isinf(self.radius):
            return math.inf
        moved = 0.0
        for name, weight in self._weights.items():
            change = float(torch.linalg.vector_norm(weight - self._then[name]))
            moved += self._gains[name] * change * change
        return self.radius + math.sqrt(moved)

    def renew(self, radius: float) -> None:
        """The radius of the present weights is at most this."""
        self.radius, self.checks = radius, self.checks + 1
        for name, weight in self._weights.items():
            if name in self._then:
                self._then[name].copy_(weight)
            else:
                self._then[name] = weight.detach().clone()

    def state(self) -> dict[str, Tensor]:
        """For resuming: the radius and the weights at the last check."""
        return {"radius": torch.tensor([self.radius], dtype=torch.float64), **self._then}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave."""
        self.radius = float(state["radius"][0])
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
