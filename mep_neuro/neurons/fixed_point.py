"""Fixed-point numbers in float64: the reason why spiking runs are equal on every simulator.

Every register of a spiking neuron is a multiple of 2^-24, every decay one of 2^-12 (as Loihi holds it),
every message one of 2^-20. Sums of at most 256 are then exact in float64's 53 bits, in any order and
under any compiler flag (fused products, -ffast-math): numpy, torch, Cython and C++ give the same bits.
Weights of trained networks are of order 1, so that this rounds them as float32 does.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

GRID_BITS = 24
DECAY_BITS = 12
MESSAGE_BITS = 20
LARGEST_SUM = 256.0
"""24 bits of a weight, 20 of a message and 9 of a sum are the 53 of float64."""


def on_grid(value: Array) -> Array:
    """The nearest multiple of 2^-24, halves upwards: floor(2^24 x + 1/2) 2^-24."""
    rounded: Array = np.floor(value * 2.0**GRID_BITS + 0.5) * 2.0**-GRID_BITS
    return rounded


def toward_zero(value: Array) -> Array:
    """The next multiple of 2^-24 towards zero: sgn(x) floor(2^24 |x|) 2^-24.

    For what decays, as Loihi has it: rounded to nearest, a trace would stop a few steps short of 0 and
    drive its unit for ever.
    """
    rounded: Array = np.sign(value) * np.floor(np.abs(value) * 2.0**GRID_BITS) * 2.0**-GRID_BITS
    return rounded


def decay(dt: float, tau: float) -> float:
    """exp(-dt / tau) as a multiple of 2^-12: what one slot leaves of a trace.

    Args:
        dt: One slot, seconds.
        tau: Time constant, seconds.
    """
    return float(np.rint(np.exp(-dt / tau) * 2.0**DECAY_BITS) * 2.0**-DECAY_BITS)
