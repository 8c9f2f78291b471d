"""What spiking models have in common: their state, a slot of theirs, and the window that reads rates."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SETTLED_SHARE = 0.6
"""Share of a free phase, its end, in which spikes are read; before it the network settles."""


class SpikingState(NamedTuple):
    """Some neurons after a slot; arrays of one shape, dimensionless.

    Attributes:
        v: Membrane, after the reset.
        i: Synaptic current; of sigma-delta neurons the sum of everything received.
        s: What the read-out averages: 1 where there was a spike; of sigma-delta neurons the state
            that the receivers have summed up.
        m: What was sent in this slot and arrives in the next: a spike of 1, or a graded message.
    """

    v: Array
    i: Array
    s: Array
    m: Array


class SpikingNeuron(Protocol):
    """What every spiking model offers. A slot is one step of dt."""

    def rest(self, shape: tuple[int, ...]) -> SpikingState:
        """The state before the first slot."""

    def step(self, state: SpikingState, arriving: Array, drive: Array, slot: int) -> SpikingState:
        """One slot of every neuron.

        Args:
            state: Before the slot; not changed.
            arriving: Weighted sum of what was sent in the slot before, same shape.
            drive: Constant current, same shape.
            slot: Slots since the phase began, from 0.
        """

    def window(self, slots: int, *, nudged: bool = False) -> Array:
        """Weight of each slot of a phase in the read-out, whole numbers, shape (slots,)."""

    def resolution(self, slots: int) -> float:
        """How fine a rate the read-out of a phase can tell: a residual below it has settled."""


def triangular_window(slots: int, *, nudged: bool = False) -> Array:
    """1, 2, 3, ... 3, 2, 1 over the last 60 % of a free phase, 0 before, and over the whole of a nudged one.

    A nudged phase begins settled but for a small response, whose rise is the same in plus and minus
    phase but for its sign: it shortens the response, while a longer window reads it finer
    (docs/spiking.md has what each choice costs).

    A unit that integrates its current and lowers its membrane by each spike shapes its quantization
    noise like a first-order sigma-delta modulator: the noise is high-pass, a triangle (sinc^2) has a
    double zero at every multiple of 1 / length, and the error falls with 1 / slots^2 where counting
    spikes gives 1 / slots.

    Source: decimation filters of sigma-delta converters, Candy 1986.
    """
    length = slots if nudged else max(1, round(SETTLED_SHARE * slots))
    places = np.arange(length)
    window = np.zeros(slots)
    window[slots - length :] = np.minimum(places + 1, length - places)
    return window


def last_slot(slots: int) -> Array:
    """The read-out of units that hold their state: its end."""
    window = np.zeros(slots)
    window[-1] = 1.0
    return window
