"""Activations rho in compiled loops: the formulas of `activation.py`, number by number.

LLVM turns the loops that call them into vectors, which it cannot do with the C library's functions
(a factor of ten). Exponentials are within two units of the last place.
"""

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload, register_jitable

from mep_neuro.equilibrium.activation import CLAMP, TANH

LIMIT = 16.0
"""As in `activation.py`: tanh is 1 to float64 rounding beyond, and cosh(2 * 16) stays finite in float32."""


def like(number: Any, x: Any) -> Any:
    """The number in the dtype of x."""
    raise NotImplementedError


@overload(like)  # type: ignore[untyped-decorator]  # numba has no types
def _like(number: Any, x: Any) -> Any:
    def single(number: Any, x: Any) -> Any:
        return np.float32(number)

    def double(number: Any, x: Any) -> Any:
        return np.float64(number)

    return single if x == types.float32 else double


def _expm1(x: Any) -> Any:
    """2^k (e^r - 1) + 2^k - 1 for x = k log 2 + r: Taylor's series up to where it is below rounding.

    Adding 1.5 * 2^(digits of the fraction) rounds to a whole number, and leaves it in the lowest bits.
    """
    raise NotImplementedError


@overload(_expm1)  # type: ignore[untyped-decorator]  # numba has no types
def _expm1_of(x: Any) -> Any:
    def single(x: Any) -> Any:
        return _expm1_single(x)

    def double(x: Any) -> Any:
        return _expm1_double(x)

    return single if x == types.float32 else double


@register_jitable  # type: ignore[untyped-decorator]  # numba has no types
def _expm1_single(x: Any) -> Any:
    one = np.float32(1.0)
    rounded = x * np.float32(1.4426950408889634) + np.float32(12582912.0)
    k = rounded - np.float32(12582912.0)
    r = x - k * np.float32(0.693359375) + k * np.float32(2.12194440e-4)
    p = np.float32(1 / 5040)
    p = p * r + np.float32(1 / 720)
    p = p * r + np.float32(1 / 120)
    p = p * r + np.float32(1 / 24)
    p = p * r + np.float32(1 / 6)
    p = p * r + np.float32(0.5)
    p = p * r * r + r
    bits = np.float32(rounded).view(np.int32) << np.int32(23)
    power = np.int32(bits + np.int32(127 << 23)).view(np.float32)
    return power * p + (power - one)


@register_jitable  # type: ignore[untyped-decorator]  # numba has no types
def _expm1_double(x: Any) -> Any:
    rounded = x * 1.4426950408889634 + 6755399441055744.0
    k = rounded - 6755399441055744.0
    r = x - k * 0.693147180369123816490 - k * 1.90821492927058770002e-10
    p = 1 / 6227020800
    p = p * r + 1 / 479001600
    p = p * r + 1 / 39916800
    p = p * r + 1 / 3628800
    p = p * r + 1 / 362880
    p = p * r + 1 / 40320
    p = p * r + 1 / 5040
    p = p * r + 1 / 720
    p = p * r + 1 / 120
    p = p * r + 1 / 24
    p = p * r + 1 / 6
    p = p * r + 0.5
    p = p * r * r + r
    bits = np.float64(rounded).view(np.int64) << np.int64(52)
    power = np.int64(bits + np.int64(1023 << 52)).view(np.float64)
    return power * p + (power - 1.0)


@register_jitable  # type: ignore[untyped-decorator]  # numba has no types
def clamp(x: Any, low: Any, high: Any) -> Any:
    """X between low and high; what is no number stays so."""
    return low if x < low else (high if x > high else x)


@register_jitable  # type: ignore[untyped-decorator]  # numba has no types
def tanh(x: Any) -> Any:
    """Odd to the last bit."""
    limit = like(20.0, x)  # 1 to the last bit of float64
    y = _expm1(like(2.0, x) * abs(clamp(x, -limit, limit)))
    return np.copysign(y / (y + like(2.0, x)), x) if x == x else x


@register_jitable  # type: ignore[untyped-decorator]  # numba has no types
def tanh_slope(x: Any) -> Any:
    """1 / cosh(x)^2."""
    limit, one = like(LIMIT, x), like(1.0, x)
    e = _expm1(abs(clamp(x, -limit, limit))) + one
    root = like(2.0, x) / (e + one / e)
    return root * root


@register_jitable  # type: ignore[untyped-decorator]  # numba has no types
def _sinh_cosh(x: Any) -> Any:
    one, half = like(1.0, x), like(0.5, x)
    y = _expm1(abs(x))
    e = y + one
    return np.copysign(half * (y + y / e), x), half * (e + one / e)


# Too long for LLVM to put in place by itself, and a loop with a call becomes no vectors: 3 times the time.
@register_jitable(inline="always")  # type: ignore[untyped-decorator]  # numba has no types
def tanh_pair(a: Any, u: Any) -> Any:
    """(tanh(a + u) + tanh(a - u)) / 2 and (tanh(a + u) - tanh(a - u)) / 2."""
    limit, two = like(LIMIT, a), like(2.0, a)
    sinh_a, cosh_a = _sinh_cosh(two * clamp(a, -limit, limit))
    sinh_u, cosh_u = _sinh_cosh(two * clamp(u, -limit, limit))
    return sinh_a / (cosh_a + cosh_u), sinh_u / (cosh_a + cosh_u)


@register_jitable  # type: ignore[untyped-decorator]  # numba has no types
def clamp_pair(a: Any, u: Any, low: Any, high: Any) -> Any:
    """The same of a clamp."""
    half = like(0.5, a)
    up, down = clamp(u, low - a, high - a), clamp(-u, low - a, high - a)
    return a + half * (up + down), half * (up - down)


@register_jitable  # type: ignore[untyped-decorator]  # numba has no types
def clamp_slope(a: Any, low: Any, high: Any) -> Any:
    """1 between low and high, 0 beyond, 1/2 at a kink."""
    half = like(0.5, a)
    above = like(1.0, a) if a > low else (half if a == low else like(0.0, a))
    return above - (like(1.0, a) if a > high else (half if a == high else like(0.0, a)))


@njit(inline="always", error_model="numpy")  # type: ignore[untyped-decorator]  # numba has no types
def rate(new: Any, v: Any, count: int, rule: Any) -> None:
    """new[c] = rho(v[c]) for c below count."""
    if rule.kind == CLAMP:
        for c in range(count):
            new[c] = clamp(v[c], rule.low, rule.high)
    elif rule.kind == TANH:
        for c in range(count):
            new[c] = tanh(v[c])
    else:
        for c in range(count):
            half = like(0.5, v[c])
            new[c] = half + half * tanh(half * v[c])


# Places are unsigned below: of others numba asks at every access whether they count from the end, and no
# vectors come of that.
@njit(inline="always", error_model="numpy")  # type: ignore[untyped-decorator]  # numba has no types
def pair(mean: Any, half: Any, to: Any, a: Any, first: Any, u: Any, at: Any, count: int, rule: Any) -> None:
    """Mean and half-difference of rho(a + u), rho(a - u), where half-differences are held times rule.up.

    Into mean[b] and half[to + b], from a[first + b] and u[at + b], for b below count.
    """
    to, first, at = np.uintp(to), np.uintp(first), np.uintp(at)
    if rule.kind == CLAMP:
        for number in range(count):
            b = np.uintp(number)
            middle, found = clamp_pair(a[first + b], u[at + b] * rule.down, rule.low, rule.high)
            mean[b], half[to + b] = middle, found * rule.up
        return
    part = like(1.0 if rule.kind == TANH else 0.5, mean[0])  # the logistic function is (1 + tanh(v / 2)) / 2
    offset = like(1.0, mean[0]) - part
    for number in range(count):
        b = np.uintp(number)
        middle, found = tanh_pair(part * a[first + b], part * (u[at + b] * rule.down))
        mean[b], half[to + b] = offset + part * middle, part * found * rule.up


@njit(inline="always", error_model="numpy")  # type: ignore[untyped-decorator]  # numba has no types
def steep(half: Any, to: Any, a: Any, first: Any, u: Any, at: Any, count: int, rule: Any) -> None:
    """half[to + b] = u[at + b] times the slope of rho at a[first + b], for b below count."""
    to, first, at = np.uintp(to), np.uintp(first), np.uintp(at)
    if rule.kind == CLAMP:
        for number in range(count):
            b = np.uintp(number)
            half[to + b] = u[at + b] * clamp_slope(a[first + b], rule.low, rule.high)
        return
    part = like(1.0 if rule.kind == TANH else 0.5, half[0])
    for number in range(count):
        b = np.uintp(number)
        half[to + b] = u[at + b] * (part * part * tanh_slope(part * a[first + b]))
