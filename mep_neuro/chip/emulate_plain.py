"""The readable emulation: the neuron's own equations, one sample after the other, in int64.

It is the reference that the fast `emulate` is tested against, integer by integer.
"""

import numpy as np
from numpy.typing import NDArray

from mep_neuro.chip.emulate import EmulatedRun, checked_start, stacked
from mep_neuro.chip.quantize import Quantized
from mep_neuro.neurons.sigma_delta import SigmaDeltaState


def emulate_plain(
    quantized: Quantized,
    bias: NDArray[np.integer],
    *,
    max_steps: int = 20_000,
    steps: int | None = None,
    start: SigmaDeltaState | None = None,
    trace: bool = False,
) -> EmulatedRun:
    """Run every sample until it is silent; arguments and result as for `emulate`."""
    currents, first = checked_start(quantized, bias, start)
    limit = max_steps if steps is None else steps
    runs = [
        _one_sample(
            quantized,
            currents[sample].astype(np.int64),
            SigmaDeltaState(first.v[sample], first.s[sample], first.sigma[sample], first.m[sample]),
            limit,
        )
        for sample in range(currents.shape[0])
    ]
    rows = max((len(history) - 1 for history, _ in runs), default=0) if steps is None else steps
    frames = [_batch([h[min(t, len(h) - 1)] for h, _ in runs], currents.shape) for t in range(rows + 1)]
    messages = [sum((h.m != 0 for h in history[1:]), np.zeros(quantized.size, int)) for history, _ in runs]
    end = frames[-1]
    return EmulatedRun(
        v=end.v.astype(np.int32),
        s=end.s.astype(np.int32),
        sigma=end.sigma.astype(np.int32),
        m=end.m.astype(np.int32),
        messages=np.array(messages, dtype=np.int64).reshape(currents.shape),
        steps=np.array([len(history) - 1 for history, _ in runs], dtype=np.int64),
        settled=np.array([silent for _, silent in runs], dtype=bool),
        trace=stacked(frames[1:], currents.shape) if trace else None,
    )


def _one_sample(
    quantized: Quantized, bias: NDArray[np.int64], state: SigmaDeltaState, limit: int
) -> tuple[list[SigmaDeltaState], bool]:
    """Registers before the first step and after each; and whether the last step changed nothing."""
    weight, neuron = quantized.weight.toarray().astype(np.int64), quantized.neuron
    history = [state]
    for _ in range(limit):
        before = history[-1]
        after = neuron.step(before, weight @ before.m, bias)
        history.append(after)
        if not after.m.any() and np.array_equal(after.v, before.v):
            return history, True
    return history, False


def _batch(states: list[SigmaDeltaState], shape: tuple[int, ...]) -> SigmaDeltaState:
    """One state a sample as one state of arrays (samples, size)."""
    columns = ([getattr(state, name) for state in states] for name in ("v", "s", "sigma", "m"))
    return SigmaDeltaState(*(np.array(column, dtype=np.int64).reshape(shape) for column in columns))
