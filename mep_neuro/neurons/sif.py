"""sif: integrate and fire with a soft reset, exponential synapses, binary spikes."""

from dataclasses import dataclass

import numpy as np

from mep_neuro.neurons.fixed_point import Array, decay, toward_zero
from mep_neuro.neurons.spiking import SpikingState, triangular_window


@dataclass(frozen=True)
class Sif:
    r"""Integrator without leak whose spikes subtract the threshold.

    In every slot t, with a(t) the weighted spikes of slot t - 1:

        i(t) = T( keep_syn i(t-1) + (1 - keep_syn) a(t) )        keep_syn = exp(-dt / tau_syn)
        u(t) = clip( v(t-1) + drive + i(t),  v_low, v_high )
        m(t) = [ u(t) >= v_threshold ]
        v(t) = u(t) - v_threshold m(t)

    T cuts towards zero on the grid of `fixed_point.py`. At most one spike a slot, and none lost to the reset:
    spikes per slot tend to clip(i + drive, 0, 1) / v_threshold, which at v_threshold 1 is the fixed point
    of the rate network with hard_sigmoid units. v_low and v_high keep a silent or a saturated
    unit within reach of the next phase.

    Attributes:
        dt: One slot, seconds.
        tau_syn: Time constant of the synapses, seconds.
        v_threshold: Dimensionless; 1 for the rates of the rate network.

    Source: soft reset as in Tang, Lin and Davies 2017 (spiking LCA); on Loihi a CUBA neuron without
    voltage decay.
    """

    dt: float
    tau_syn: float = 0.004
    v_threshold: float = 1.0

    @property
    def keep_syn(self) -> float:
        """What one slot leaves of the synaptic current."""
        return decay(self.dt, self.tau_syn)

    @property
    def v_low(self) -> float:
        """Lowest membrane."""
        return -self.v_threshold

    @property
    def v_high(self) -> float:
        """Highest membrane, before the reset."""
        return 2.0 * self.v_threshold

    def rest(self, shape: tuple[int, ...]) -> SpikingState:
        """Half a threshold, so that the first spike is on average as far away as any other."""
        silent = np.zeros(shape)
        return SpikingState(np.full(shape, self.v_threshold / 2), silent, silent, silent)

    def step(self, state: SpikingState, arriving: Array, drive: Array, slot: int) -> SpikingState:
        """One slot; see `SpikingNeuron.step`."""
        i = toward_zero(self.keep_syn * state.i + (1.0 - self.keep_syn) * arriving)
        u = np.clip(state.v + (drive + i), self.v_low, self.v_high)
        m = (u >= self.v_threshold).astype(np.float64)
        return SpikingState(u - self.v_threshold * m, i, m, m)

    def window(self, slots: int, *, nudged: bool = False) -> Array:
        """A triangle over the last 60 % of a free phase, or the whole of a nudged one."""
        return triangular_window(slots, nudged=nudged)

    def resolution(self, slots: int) -> float:
        """Two spikes in the window: one of the unit itself, one that its neighbours keep from it."""
        return 2.0 / float(np.count_nonzero(self.window(slots)))
