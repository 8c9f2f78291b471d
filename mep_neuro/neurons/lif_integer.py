"""Lava's leaky integrate-and-fire neuron in fixed point: the integers of every register."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Registers = NDArray[Any]  # int64 in `step`, int32 in a batched emulation

DECAY_BITS = 12  # decays are fractions of 2^12
ALIGN_BITS = 6  # synaptic input and threshold are shifted up by 6 bits
REGISTER_LIMIT = 1 << 23  # current and membrane have 23 bits and a sign
INPUT_LIMIT = 1 << 25  # Lava shifts the input in 32 bits: from here on it would lose its upper bits


@dataclass(frozen=True)
class LifState:
    """The registers of some neurons after a step; integers of any one shape.

    Attributes:
        u: Synaptic current.
        v: Membrane.
        spikes: 1 where the neuron has spiked in this step; what the receivers weigh in the next.
    """

    u: Registers
    v: Registers
    spikes: Registers


@dataclass(frozen=True)
class IntegerLif:
    r"""Leaky current, leaky membrane, threshold, reset to zero, all in integers.

    At every step t, with a(t) the weighted spikes of step t - 1:

        u(t) = wrap( decay(u(t-1), du + 1) + 64 a(t) )
        v(t) = clip( decay(v(t-1), dv) + u(t) + bias,  +-(2^23 - 1) )
        spike where v(t) > 64 vth; v(t) = 0 there
        decay(x, d) = sgn(x) floor( |x| (2^12 - d) / 2^12 )

    wrap takes 2^24 off what is above 2^23, and adds it to what is at or below -2^23, once. What the
    membrane had above its threshold is lost, so that a constant current I > 0 without leak causes a
    spike every floor(64 vth / I) + 1 steps.

    Attributes:
        du: Decay of the current out of 2^12, 0 to 4095; the chip adds 1, so that 4095 keeps nothing.
        dv: Decay of the membrane out of 2^12, 0 to 4096; 0 keeps everything.
        vth: Threshold, in units of 2^6 of the membrane.

    Source: lava-nc 0.10.0, lava/proc/lif/models.py, PyLifModelBitAcc.
    """

    du: int
    dv: int
    vth: int

    @property
    def threshold(self) -> int:
        """Largest membrane that does not spike."""
        return self.vth << ALIGN_BITS

    def rest(self, shape: tuple[int, ...]) -> LifState:
        """All registers at 0."""
        return LifState(*(np.zeros(shape, dtype=np.int64) for _ in range(3)))

    def step(self, state: LifState, arriving: Integers, bias: Integers) -> LifState:
        """One step of every neuron.

        Args:
            state: Registers before the step, int64; not changed.
            arriving: Weighted sum of the spikes of the step before, int64, same shape, within +-2^25.
            bias: Constant current in membrane units, mantissa 2^exponent, int64, same shape.
        """
        u = wrap(decay(state.u.astype(np.int64), self.du + 1) + (arriving << ALIGN_BITS))
        v = decay(state.v.astype(np.int64), self.dv) + u + bias
        v = np.clip(v, 1 - REGISTER_LIMIT, REGISTER_LIMIT - 1)
        spikes = (v > self.threshold).astype(np.int64)
        return LifState(u=u, v=np.where(spikes, 0, v), spikes=spikes)


def decay(value: Integers, by: int) -> Integers:
    """What is left after one step; the magnitude is rounded down."""
    left: Integers = np.sign(value) * ((np.abs(value) * ((1 << DECAY_BITS) - by)) >> DECAY_BITS)
    return left


def wrap(current: Integers) -> Integers:
    """The overflow of the current register; exactly 2^23 stays."""
    down = np.where(current > REGISTER_LIMIT, current - 2 * REGISTER_LIMIT, current)
    return np.where(down <= -REGISTER_LIMIT, current + 2 * REGISTER_LIMIT, down)
