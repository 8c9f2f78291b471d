"""The readable emulation of LIF networks: the neuron's own equations, one sample after the other.

It is the reference that the fast `emulate_lif` is tested against, integer by integer.
"""

import numpy as np
from numpy.typing import NDArray

from mep_neuro.chip.lif.circuit import LifCircuit, LifRun, checked_start, stacked
from mep_neuro.neurons.lif_integer import ALIGN_BITS, LifState, decay, wrap


def emulate_lif_plain(
    circuit: LifCircuit,
    bias: NDArray[np.integer],
    *,
    steps: int,
    warm_up: int = 0,
    start: LifState | None = None,
    trace: bool = False,
) -> LifRun:
    """Run every sample for `steps` steps; arguments and result as for `emulate_lif`."""
    currents, first = checked_start(circuit, bias, start)
    samples = range(currents.shape[0])
    runs = [
        _one_sample(circuit, currents[i], LifState(first.u[i], first.v[i], first.spikes[i]), steps)
        for i in samples
    ]
    frames = [_batch([history[t] for history, _, _ in runs], currents.shape) for t in range(steps + 1)]
    counted = np.sum([frame.spikes for frame in frames[1 + warm_up :]], axis=0, dtype=np.int64)
    end = frames[-1]
    return LifRun(
        u=end.u.astype(np.int32),
        v=end.v.astype(np.int32),
        spikes=end.spikes.astype(np.int32),
        counts=np.zeros(currents.shape, dtype=np.int64) + counted,
        wraps=np.array([wraps for _, wraps, _ in runs], dtype=np.int64),
        steps=np.array([still or steps for _, _, still in runs], dtype=np.int64),
        silent=np.array([still > 0 for _, _, still in runs], dtype=bool),
        trace=stacked(frames[1:], currents.shape) if trace else None,
    )


def _one_sample(
    circuit: LifCircuit, bias: NDArray[np.int64], state: LifState, steps: int
) -> tuple[list[LifState], int, int]:
    """Registers before the first step and after each, overflows, and the first step that changed nothing."""
    weight, neuron = circuit.weight.toarray().astype(np.int64), circuit.neuron
    history, wraps, still = [state], 0, 0
    for step in range(1, steps + 1):
        before = history[-1]
        arriving = circuit.arriving(weight @ before.spikes)
        after = neuron.step(before, arriving, bias)
        exact = decay(before.u, neuron.du + 1) + (arriving << ALIGN_BITS)
        wraps += int(np.count_nonzero(wrap(exact) != exact))
        same = np.array_equal(after.u, before.u) and np.array_equal(after.v, before.v)
        if not still and same and not after.spikes.any() and not before.spikes.any():
            still = step
        history.append(after)
    return history, wraps, still


def _batch(states: list[LifState], shape: tuple[int, ...]) -> LifState:
    """One state a sample as one state of arrays (samples, size)."""
    columns = ([getattr(state, name) for state in states] for name in ("u", "v", "spikes"))
    return LifState(*(np.array(column, dtype=np.int64).reshape(shape) for column in columns))
