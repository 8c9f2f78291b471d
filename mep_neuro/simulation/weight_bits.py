"""Weights of few levels: three, or 2^bits - 1, evenly spaced and symmetric about 0.

The spacing follows the weights, so that scaling them scales their levels: a spectral bound on the
levels is kept by scaling what they are rounded from. Learning moves the unrounded (latent) weights by
the contrast of the rounded ones (straight through).

Sources: Li et al. 2016 (ternary: threshold and level); Courbariaux et al. 2015 (latent weights);
Laydevant et al. 2021 (Equilibrium Propagation with binary weights).
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mep_neuro.topology.spec import WeightBits

T = TypeVar("T", np.float32, np.float64)

TERNARY_THRESHOLD = 0.7
"""Times the mean |w|: below it a weight is 0. Nearly least squares for normal and uniform weights
(Li et al. 2016, equation 6)."""


def rounded(latent: NDArray[T], bits: WeightBits) -> NDArray[T]:
    """The levels nearest to weights, in their shape and dtype.

    Args:
        latent: The weights.
        bits: 'ternary' for {-a, 0, a}, a the mean |w| of those beyond the threshold; or 2 to 8, for
            the multiples of max |w| / (2^(bits - 1) - 1).
    """
    size = np.abs(latent)
    if bits == "ternary":
        beyond = size > TERNARY_THRESHOLD * size.mean(dtype=np.float64)
        level = size[beyond].mean(dtype=np.float64) if beyond.any() else 0.0
        ternary: NDArray[T] = (np.sign(latent) * beyond * level).astype(latent.dtype)
        return ternary
    step = size.max(initial=0.0).astype(np.float64) / (2 ** (bits - 1) - 1)
    if step == 0.0:
        return np.zeros_like(latent)
    nearest: NDArray[T] = (np.rint(latent / step) * step).astype(latent.dtype)
    return nearest
