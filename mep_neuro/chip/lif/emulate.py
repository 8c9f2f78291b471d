"""The exact integer emulation of LIF networks, batched: the integers of `emulate_lif_plain`.

Registers are float64 here: every product and sum below stays under 2^37, where float64 is exact.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mep_neuro.chip.lif.circuit import LifCircuit, LifRun, checked_start, stacked
from mep_neuro.chip.product import exact_product
from mep_neuro.neurons.lif_integer import ALIGN_BITS, DECAY_BITS, REGISTER_LIMIT, LifState

Array = NDArray[np.float64]
Int32 = NDArray[np.int32]


def emulate_lif(
    circuit: LifCircuit,
    bias: NDArray[np.integer],
    *,
    steps: int,
    warm_up: int = 0,
    start: LifState | None = None,
    trace: bool = False,
    observe: Callable[[int, int], None] | None = None,
) -> LifRun:
    """Run every sample for `steps` steps.

    A sample that did not spike and changed no register in a step, with no spike in flight, can never
    change again: it is not computed further, which is exact. A network that goes on spiking has no such end.

    Args:
        circuit: The network.
        bias: Constant currents, shape (samples, size).
        steps: Steps, and rows of the trace.
        warm_up: Spikes of the first so many steps are not counted.
        start: Registers to start from; all 0 without.
        trace: Whether to keep all registers after each step.
        observe: Called after each step with its number from 1 and the samples that still change.

    Raises:
        ChipRangeError: A number does not fit Lava's registers.
    """
    currents, first = checked_start(circuit, bias, start)
    weigh, shape = exact_product(circuit.weight), currents.shape
    end = _Arrays(
        currents.astype(np.float64),
        first.u.astype(np.float64),
        first.v.astype(np.float64),
        first.spikes.astype(np.int32),
        np.zeros(shape, np.int32),
        np.zeros(shape[0], np.int64),
    )
    rows = np.arange(shape[0])
    live, frames = end.take(rows), []
    taken, silent = np.full(rows.size, steps, dtype=np.int64), np.zeros(rows.size, dtype=bool)
    for step in range(1, steps + 1):
        if rows.size == 0 and not trace:
            break
        still = _advance(live, circuit, weigh)
        if step > warm_up:
            live.counts += live.spikes
        if observe is not None:
            observe(step, rows.size)
        if trace:
            end.put(rows, live)
            frames.append(end.state())
        if still.any():
            end.put(rows, live)
            taken[rows[still]], silent[rows[still]] = step, True
            rows, live = rows[~still], live.take(~still)
    end.put(rows, live)
    last = end.state()
    return LifRun(
        u=last.u,
        v=last.v,
        spikes=last.spikes,
        counts=end.counts.astype(np.int64),
        wraps=end.wraps,
        steps=taken,
        silent=silent,
        trace=stacked(frames, shape) if trace else None,
    )


@dataclass
class _Arrays:
    """Registers of the samples that still change; `_advance` writes into them."""

    bias: Array
    u: Array
    v: Array
    spikes: Int32
    counts: Int32
    wraps: NDArray[np.int64]

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "_Arrays":
        """Copies of some samples."""
        return _Arrays(
            self.bias[rows],
            self.u[rows],
            self.v[rows],
            self.spikes[rows],
            self.counts[rows],
            self.wraps[rows],
        )

    def put(self, rows: NDArray[np.intp], live: "_Arrays") -> None:
        """Write the registers of some samples back."""
        self.u[rows], self.v[rows], self.spikes[rows] = live.u, live.v, live.spikes
        self.counts[rows], self.wraps[rows] = live.counts, live.wraps

    def state(self) -> LifState:
        """Copies of the registers, int32."""
        return LifState(self.u.astype(np.int32), self.v.astype(np.int32), self.spikes.astype(np.int32))


def _advance(live: _Arrays, circuit: LifCircuit, weigh: Callable[[Int32], Int32]) -> NDArray[np.bool_]:
    """One step of every sample, in place; returns which did not change and have no spike in flight."""
    neuron = circuit.neuron
    quiet = np.logical_not(live.spikes.any(axis=1))
    u = _decayed(live.u, neuron.du + 1)
    if not quiet.all():
        arriving = circuit.arriving(weigh(live.spikes).astype(np.int64))
        u += (arriving << ALIGN_BITS).astype(np.float64)
    over, under = u > REGISTER_LIMIT, u <= -REGISTER_LIMIT
    if over.any() or under.any():
        live.wraps += np.count_nonzero(over | under, axis=1)
        u -= 2.0 * REGISTER_LIMIT * over
        u += 2.0 * REGISTER_LIMIT * under
    v = _decayed(live.v, neuron.dv)
    v += u
    v += live.bias
    np.clip(v, 1 - REGISTER_LIMIT, REGISTER_LIMIT - 1, out=v)
    spikes = v > neuron.threshold
    v[spikes] = 0.0
    if quiet.any():
        quiet &= ~spikes.any(axis=1)
        quiet &= (u == live.u).all(axis=1)
        quiet &= (v == live.v).all(axis=1)
    live.u, live.v, live.spikes = u, v, spikes.astype(np.int32)
    return quiet


def _decayed(value: Array, by: int) -> Array:
    """A copy with its magnitude lowered and rounded down."""
    if by == 0:
        return value.copy()
    left = value * (((1 << DECAY_BITS) - by) / (1 << DECAY_BITS))
    return np.trunc(left, out=left)
