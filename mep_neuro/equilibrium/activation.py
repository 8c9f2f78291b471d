"""Activations rho in torch, for one state and for a pair of states mirrored about a mean.

The pair form holds the two nudged fixed points s(+beta), s(-beta) as mean and half-difference.
With currents a +- u they are

    mean = (rho(a + u) + rho(a - u)) / 2
    half = (rho(a + u) - rho(a - u)) / 2

written so that `half` keeps its relative precision when u is far below the rounding of a:
a contrast is a small difference of nearly equal numbers, and layers far from the output
respond by 1e-7 and less.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

_TANH_LIMIT = 16.0  # tanh is 1 to float64 rounding beyond; cosh(2 * 16) stays finite in float32

CLAMP, TANH, SIGMOID = 0, 1, 2

LINEAR_EXPONENT = 40
"""A half-difference of 2**-40 and less is its slope times the current's: its square is below rounding."""


class Rho(NamedTuple):
    """An activation: `rate(v)`, `pair(a, u)` giving (mean, half), and `half_at(a)` giving u -> half.

    `slope(a)` is what half / u tends to as u tends to 0; at a kink, the mean of both sides.
    `overwrite(v)` is `rate(v)` in v's own memory. Compiled loops take it as numbers: `kind` CLAMP to
    [low, high], TANH or SIGMOID, with half-differences held times 2**exponent.
    """

    rate: Callable[[Tensor], Tensor]
    pair: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    half_at: Callable[[Tensor], Callable[[Tensor], Tensor]]
    slope: Callable[[Tensor], Tensor]
    overwrite: Callable[[Tensor], Tensor]
    kind: int
    low: float = -math.inf
    high: float = math.inf
    exponent: int = 0

    @property
    def unbounded(self) -> bool:
        """Whether rates may grow without bound."""
        return self.kind == CLAMP and self.high == math.inf


def _clamp_pair(a: Tensor, up: Tensor, down: Tensor) -> tuple[Tensor, Tensor]:
    return a + 0.5 * (up + down), 0.5 * (up - down)


def _hard_sigmoid_pair(a: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    low, high = -a, 1.0 - a
    return _clamp_pair(a, torch.clamp(u, low, high), torch.clamp(-u, low, high))


def _hard_sigmoid_half_at(a: Tensor) -> Callable[[Tensor], Tensor]:
    low, high = -a, 1.0 - a
    minus_high = a - 1.0
    return lambda u: u.clamp(low, high).lerp_(u.clamp(minus_high, a), 0.5)


def _relu_half_at(a: Tensor) -> Callable[[Tensor], Tensor]:
    low = -a
    return lambda u: torch.maximum(u, low).lerp_(torch.minimum(u, a), 0.5)


def _tanh_half_at(a: Tensor) -> Callable[[Tensor], Tensor]:
    cosh2 = a.clamp(-_TANH_LIMIT, _TANH_LIMIT).cosh_().square_()

    def half(u: Tensor) -> Tensor:
        """sinh(2u) / (cosh(2a) + cosh(2u)), with the double angles written out."""
        u = u.clamp(-_TANH_LIMIT, _TANH_LIMIT)
        sinh = torch.sinh(u)
        return u.cosh_().mul_(sinh).div_(torch.addcmul(cosh2, sinh, sinh))

    return half


def _relu_pair(a: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    return _clamp_pair(a, torch.maximum(u, -a), torch.maximum(-u, -a))


def _tanh_pair(a: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """tanh(a + u) +- tanh(a - u) = 2 sinh(2a) or 2 sinh(2u), over cosh(2a) + cosh(2u)."""
    a2 = 2.0 * a.clamp(-_TANH_LIMIT, _TANH_LIMIT)
    u2 = 2.0 * u.clamp(-_TANH_LIMIT, _TANH_LIMIT)
    below = torch.cosh(a2) + torch.cosh(u2)
    return torch.sinh(a2) / below, torch.sinh(u2) / below


def _sigmoid_half_at(a: Tensor) -> Callable[[Tensor], Tensor]:
    half = _tanh_half_at(0.5 * a)
    return lambda u: half(0.5 * u).mul_(0.5)


def _sigmoid_pair(a: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """The logistic function is (1 + tanh(v / 2)) / 2."""
    mean, half = _tanh_pair(0.5 * a, 0.5 * u)
    return 0.5 + 0.5 * mean, 0.5 * half


def _sigmoid_slope(a: Tensor) -> Tensor:
    return 0.25 * _tanh_slope(0.5 * a)


def _linear_states(a: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    return a.clone(), u.clone()


def _hard_sigmoid(v: Tensor) -> Tensor:
    return v.clamp(0.0, 1.0)


def _relu_slope(a: Tensor) -> Tensor:
    return a.sign().add_(1.0).mul_(0.5)


def _hard_sigmoid_slope(a: Tensor) -> Tensor:
    return a.sign().sub_((a - 1.0).sign_()).mul_(0.5)


def _tanh_slope(a: Tensor) -> Tensor:
    return a.clamp(-_TANH_LIMIT, _TANH_LIMIT).cosh_().square_().reciprocal_()


def held_at(rho: Rho, exponent: int) -> Rho:
    """The activation where half-differences, before and after, are held times 2**exponent.

    From `LINEAR_EXPONENT` on it is linear in the half-difference.
    """
    if exponent == 0:
        return rho
    if exponent >= LINEAR_EXPONENT:
        return rho._replace(
            pair=partial(_linear_pair, rho), half_at=partial(_linear_half_at, rho), exponent=exponent
        )
    down, up = 2.0**-exponent, 2.0**exponent

    def pair(a: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        mean, half = rho.pair(a, u * down)
        return mean, half * up

    def half_at(a: Tensor) -> Callable[[Tensor], Tensor]:
        half = rho.half_at(a)
        return lambda u: half(u * down).mul_(up)

    return rho._replace(pair=pair, half_at=half_at, exponent=exponent)


def _linear_pair(rho: Rho, a: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    return rho.rate(a), u * rho.slope(a)


def _linear_half_at(rho: Rho, a: Tensor) -> Callable[[Tensor], Tensor]:
    return rho.slope(a).mul


def _clamp_(v: Tensor) -> Tensor:
    return v.clamp_(0.0, 1.0)


RHO: dict[str, Rho] = {
    "hard_sigmoid": Rho(
        _hard_sigmoid,
        _hard_sigmoid_pair,
        _hard_sigmoid_half_at,
        _hard_sigmoid_slope,
        _clamp_,
        CLAMP,
        0.0,
        1.0,
    ),
    "relu": Rho(torch.relu, _relu_pair, _relu_half_at, _relu_slope, torch.relu_, CLAMP, 0.0),
    "tanh": Rho(torch.tanh, _tanh_pair, _tanh_half_at, _tanh_slope, torch.tanh_, TANH),
    "sigmoid": Rho(torch.sigmoid, _sigmoid_pair, _sigmoid_half_at, _sigmoid_slope, torch.sigmoid_, SIGMOID),
    # Clones: a state is written in place where nothing reads the current again.
    "linear": Rho(torch.clone, _linear_states, lambda a: torch.clone, torch.ones_like, torch.clone, CLAMP),
}
