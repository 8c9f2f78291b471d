"""EPSigmaDelta: a leaky membrane that sends only the changes of its clamped state.

`SigmaDelta` is the neuron in the integers of a chip; `GradedSigmaDelta` is the same neuron in units of
the state, for simulators: its registers are the chip's times 2^-P, wide enough never to wrap. With
dt / tau_mem = 2^-k, v_threshold = 2^-B, weights that the chip's E bits hold and drives on the chip's
grid the two send the same messages, slot by slot (tests/golden/test_graded_sigma_delta.py).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.neurons.fixed_point import Array, on_grid, toward_zero
from mep_neuro.neurons.spiking import SpikingState, last_slot

Integers = NDArray[np.int64]
Registers = NDArray[Any]  # int64 in `step`, int32 in a batched emulation

DECAY_BITS = 12  # Loihi's decays are fractions of 2^12


@dataclass(frozen=True)
class SigmaDeltaState:
    """The registers of some neurons after a step; integers of any one shape.

    Attributes:
        v: Membrane.
        s: State that the receivers have integrated.
        sigma: Sum of everything received.
        m: Messages sent in this step; they arrive in the next.
    """

    v: Registers
    s: Registers
    sigma: Registers
    m: Registers


@dataclass(frozen=True)
class SigmaDelta:
    r"""Leaky integrator, clamp to [0, 1], quantizer and delta message, all in integers.

    At every step t, with a(t) what arrives, that is the weighted messages of step t - 1:

        sigma(t) = wrap( sigma(t-1) + a(t) )
        v(t)     = clip( leak(v(t-1)) + sigma(t) + bias,  +-(2^(r-1) - 1) )
        leak(v)  = sgn(v) floor( |v| (2^12 - dv) / 2^12 )
        target   = clip( floor( (v(t) + 2^(p-1)) / 2^p ),  0, s_max )
        m(t)     = target - s(t-1),  0 where |m| < threshold,  clipped to +-message_max
        s(t)     = s(t-1) + m(t)

    wrap is two's complement of r bits. There is no residue register: s is what the receivers
    have summed, so that sigma(t+1) = weight s(t) exactly. At rest v = 2^k (sigma + bias) but for
    less than 2^k of rounding: the integer form of tau dv/dt = -v + W s + b, s = clip(v, 0, 1).

    Attributes:
        state_bits: B; s_max = 2^B stands for the rate 1.
        leak_shift: k; each step forgets 2^-k of the membrane, dv = 2^(12-k).
        membrane_shift: p; one step of the state is 2^p of the membrane.
        threshold: Smallest |m| that is sent, in steps of the state.
        message_max: Largest |m| that is sent, or None.
        register_bits: r; width of v and sigma, sign included.

    Source: Lava's arithmetic of decays and registers; sigma-delta coding as in O'Connor and Welling 2016,
    'Sigma delta quantized networks'.
    """

    state_bits: int
    leak_shift: int
    membrane_shift: int
    threshold: int = 1
    message_max: int | None = None
    register_bits: int = 24

    @property
    def s_max(self) -> int:
        """The state that stands for the rate 1."""
        return 1 << self.state_bits

    @property
    def dv(self) -> int:
        """The decay as Lava writes it, out of 2^12."""
        return (1 << DECAY_BITS) >> self.leak_shift

    @property
    def v_max(self) -> int:
        """Largest |v|."""
        return (1 << (self.register_bits - 1)) - 1

    def rest(self, shape: tuple[int, ...]) -> SigmaDeltaState:
        """All registers at 0."""
        return SigmaDeltaState(*(np.zeros(shape, dtype=np.int64) for _ in range(4)))

    def wrap(self, value: Integers) -> Integers:
        """Two's complement of `register_bits` bits."""
        half = 1 << (self.register_bits - 1)
        return ((value + half) % (2 * half)) - half

    def leak(self, v: Integers) -> Integers:
        """What is left of the membrane after one step; the magnitude is rounded down."""
        left: Integers = np.sign(v) * ((np.abs(v) * ((1 << DECAY_BITS) - self.dv)) >> DECAY_BITS)
        return left

    def target(self, v: Integers) -> Integers:
        """The state that a membrane asks for."""
        return np.clip((v + (1 << (self.membrane_shift - 1))) >> self.membrane_shift, 0, self.s_max)

    def step(self, state: SigmaDeltaState, arriving: Integers, bias: Integers) -> SigmaDeltaState:
        """One step of every neuron.

        Args:
            state: Registers before the step, int64; not changed.
            arriving: Weighted sum of the messages of the step before, int64, same shape.
            bias: Constant current in membrane units, int64, same shape.
        """
        sigma = self.wrap(state.sigma.astype(np.int64) + arriving)
        v = np.clip(self.leak(state.v.astype(np.int64)) + sigma + bias, -self.v_max, self.v_max)
        m = self.target(v) - state.s
        m = np.where(np.abs(m) < self.threshold, 0, m)
        if self.message_max is not None:
            m = np.clip(m, -self.message_max, self.message_max)
        return SigmaDeltaState(v=v, s=state.s + m, sigma=sigma, m=m)


@dataclass(frozen=True)
class GradedSigmaDelta:
    r"""Leaky integrator, clamp to [0, 1], quantizer and delta message, in units of the state.

    In every slot t, with a(t) the weighted messages of slot t - 1:

        sigma(t) = sigma(t-1) + a(t)
        v(t)     = T( (1 - lambda) v(t-1) ) + R( lambda R(sigma(t) + drive) )        lambda = dt / tau_mem
        target   = clip( theta floor( v(t) / theta + 1/2 ),  0, 1 )
        m(t)     = target - s(t-1),  0 where |m| < theta
        s(t)     = s(t-1) + m(t)

    R rounds to the grid of `fixed_point.py`, T cuts towards zero on it; lambda is a multiple of 2^-12.
    The receivers have summed exactly what was sent, sigma(t+1) = W s(t), so that at rest
    s = clip(W s + drive, 0, 1) but for theta / 2 of rounding. theta is v_threshold, a power of two.

    Attributes:
        dt: One slot, seconds.
        tau_mem: Membrane time constant, seconds; at least dt.
        v_threshold: theta, smallest change that is sent, in units of the state.

    Source: the integer form above; sigma-delta coding as in O'Connor and Welling 2016.
    """

    dt: float
    tau_mem: float = 0.005
    v_threshold: float = 2.0**-8

    @property
    def gain_mem(self) -> float:
        """lambda, the share of the way to its current that a membrane goes in one slot."""
        return float(np.rint(self.dt / self.tau_mem * 2.0**DECAY_BITS) * 2.0**-DECAY_BITS)

    def threshold(self, slot: int) -> float:
        """Theta in a slot of the phase."""
        return self.v_threshold

    def rest(self, shape: tuple[int, ...]) -> SpikingState:
        """All registers at 0."""
        return SpikingState(*(np.zeros(shape) for _ in range(4)))

    def step(self, state: SpikingState, arriving: Array, drive: Array, slot: int) -> SpikingState:
        """One slot; see `SpikingNeuron.step`."""
        theta = self.threshold(slot)
        sigma = state.i + arriving
        v = toward_zero((1.0 - self.gain_mem) * state.v) + on_grid(self.gain_mem * on_grid(sigma + drive))
        target = np.clip(theta * np.floor(v / theta + 0.5), 0.0, 1.0)
        m = target - state.s
        m = np.where(np.abs(m) < theta, 0.0, m)
        return SpikingState(v, sigma, state.s + m, m)

    def window(self, slots: int, *, nudged: bool = False) -> Array:
        """The last slot: s holds its value."""
        return last_slot(slots)

    def resolution(self, slots: int) -> float:
        """Two thresholds: one of the unit itself, one that its neighbours keep from it."""
        return 2.0 * self.threshold(slots - 1)
