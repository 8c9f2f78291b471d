"""lif: leaky integrate and fire with a hard reset, for chips and simulators that have nothing else."""

from dataclasses import dataclass

import numpy as np

from mep_neuro.neurons.fixed_point import Array, decay, toward_zero
from mep_neuro.neurons.spiking import SpikingState, triangular_window


@dataclass(frozen=True)
class Lif:
    r"""Leaky integrator whose spikes set the membrane to v_reset.

    In every slot t, with a(t) the weighted spikes of slot t - 1:

        i(t) = T( keep_syn i(t-1) + (1 - keep_syn) a(t) )              keep_syn = exp(-dt / tau_syn)
        u(t) = max( v_leak + T( keep_mem (v(t-1) - v_leak) ) + drive + i(t),  v_low )
        m(t) = [ u(t) >= v_threshold ]                                keep_mem = exp(-dt / tau_mem)
        v(t) = v_reset where m(t) = 1, u(t) elsewhere

    T cuts towards zero on the grid of `fixed_point.py`. The hard reset forgets what stood
    above the threshold and the leak forgets the rest: spikes per slot are 1 / ceil(v_threshold / current)
    for a constant current even without a leak, a staircase about clip(current, 0, 1). The error against
    the rate network does not fall with the number of slots. Where there is a choice, take `sif`.

    Attributes:
        dt: One slot, seconds.
        tau_mem: Membrane time constant, seconds; 100 slots and more leak little within one interval.
        tau_syn: Time constant of the synapses, seconds.
        v_threshold: Dimensionless, as all voltages here.
        v_reset: Membrane after a spike.
        v_leak: Membrane at rest.
    """

    dt: float
    tau_mem: float = 0.1
    tau_syn: float = 0.004
    v_threshold: float = 1.0
    v_reset: float = 0.0
    v_leak: float = 0.0

    @property
    def keep_syn(self) -> float:
        """What one slot leaves of the synaptic current."""
        return decay(self.dt, self.tau_syn)

    @property
    def keep_mem(self) -> float:
        """What one slot leaves of the membrane's distance from v_leak."""
        return decay(self.dt, self.tau_mem)

    @property
    def v_low(self) -> float:
        """Lowest membrane."""
        return self.v_leak - self.v_threshold

    def rest(self, shape: tuple[int, ...]) -> SpikingState:
        """At v_leak."""
        silent = np.zeros(shape)
        return SpikingState(np.full(shape, self.v_leak), silent, silent, silent)

    def step(self, state: SpikingState, arriving: Array, drive: Array, slot: int) -> SpikingState:
        """One slot; see `SpikingNeuron.step`."""
        i = toward_zero(self.keep_syn * state.i + (1.0 - self.keep_syn) * arriving)
        kept = self.v_leak + toward_zero(self.keep_mem * (state.v - self.v_leak))
        u = np.maximum(kept + (drive + i), self.v_low)
        m = (u >= self.v_threshold).astype(np.float64)
        return SpikingState(np.where(m > 0.0, self.v_reset, u), i, m, m)

    def window(self, slots: int, *, nudged: bool = False) -> Array:
        """A triangle over the last 60 % of a free phase, or the whole of a nudged one."""
        return triangular_window(slots, nudged=nudged)

    def resolution(self, slots: int) -> float:
        """Two spikes in the window: one of the unit itself, one that its neighbours keep from it."""
        return 2.0 / float(np.count_nonzero(self.window(slots)))
