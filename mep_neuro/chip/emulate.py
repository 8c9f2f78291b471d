"""The exact integer emulation of a quantized network, batched.

It gives the same integers as `emulate_plain`, which is the neuron's own equations one sample after
the other. Order of one step: every unit takes the weighted messages of the step before (one step of
delay, as Lava's Dense and Sparse have it), then steps, then sends.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mep_neuro.chip.product import exact_product
from mep_neuro.chip.quantize import Quantized
from mep_neuro.errors import ChipRangeError
from mep_neuro.neurons.sigma_delta import SigmaDelta, SigmaDeltaState

Int32 = NDArray[np.int32]
Observer = Callable[[int, NDArray[np.intp], Int32], None]


@dataclass(frozen=True, eq=False)
class EmulatedRun:
    """The end of an emulation; integers, shape (samples, size) each.

    Attributes:
        v: Membrane.
        s: State.
        sigma: Sum of everything received.
        m: Messages still in flight.
        messages: Messages that each unit has sent.
        steps: Steps until nothing changed any more, that last one included; shape (samples,).
        settled: Whether that happened: all later steps would repeat the last; shape (samples,).
        trace: All registers after each step, shape (steps, samples, size) each, or None.
    """

    v: Int32
    s: Int32
    sigma: Int32
    m: Int32
    messages: NDArray[np.int64]
    steps: NDArray[np.int64]
    settled: NDArray[np.bool_]
    trace: SigmaDeltaState | None = None

    @property
    def state(self) -> SigmaDeltaState:
        """The registers, to start another run of the same network from."""
        return SigmaDeltaState(self.v, self.s, self.sigma, self.m)


def emulate(
    quantized: Quantized,
    bias: NDArray[np.integer],
    *,
    max_steps: int = 20_000,
    steps: int | None = None,
    start: SigmaDeltaState | None = None,
    trace: bool = False,
    observe: Observer | None = None,
) -> EmulatedRun:
    """Run every sample until it is silent: no message sent and no membrane changed in one step.

    From such a step on nothing can change, so that stopping there is exact.

    Args:
        quantized: The network.
        bias: Constant currents (`Quantized.bias`), shape (samples, size).
        max_steps: Steps after which a sample that still changes is given up.
        steps: Exactly this many steps instead, and as many rows of the trace; settled samples repeat.
        start: Registers to start from, of the same network; all 0 without.
        trace: Whether to keep all registers after each step.
        observe: Called after each step with its number from 1, the samples that still run and their s
            (valid during the call only).

    Raises:
        ChipRangeError: The bias or the start does not fit the network or its registers.
    """
    currents, first = checked_start(quantized, bias, start)
    limit = max_steps if steps is None else steps
    product, neuron = exact_product(quantized.weight), quantized.neuron
    end = _Arrays(currents, first.v, first.s, first.sigma, first.m, np.zeros(currents.shape, np.int32))
    rows = np.arange(currents.shape[0])
    live = end.take(rows)
    taken, settled = np.full(rows.size, limit, dtype=np.int64), np.zeros(rows.size, dtype=bool)
    frames: list[SigmaDeltaState] = []
    for step in range(1, limit + 1):
        if rows.size == 0 and (steps is None or not trace):
            break
        quiet = _advance(live, neuron, product)
        if observe is not None and rows.size:
            observe(step, rows, live.s)
        if trace:
            end.put(rows, live)
            frames.append(SigmaDeltaState(end.v.copy(), end.s.copy(), end.sigma.copy(), end.m.copy()))
        if quiet.any():
            end.put(rows, live)
            taken[rows[quiet]], settled[rows[quiet]] = step, True
            rows, live = rows[~quiet], live.take(~quiet)
    end.put(rows, live)
    history = stacked(frames, currents.shape) if trace else None
    return EmulatedRun(end.v, end.s, end.sigma, end.m, end.sent.astype(np.int64), taken, settled, history)


def fixed_point_error(
    quantized: Quantized, bias: NDArray[np.integer], s: NDArray[np.integer]
) -> NDArray[np.float64]:
    """How far states are from the quantized network's own equation s = clip(W s + b, 0, 1), without rounding.

    Returns:
        Largest |difference| over the units of each sample, in steps of the state, shape (samples,).
    """
    current = (quantized.weight.astype(np.int64) @ s.T.astype(np.int64)).T + bias
    target = np.clip(
        np.ldexp(current.astype(np.float64), quantized.leak_shift - quantized.p), 0, quantized.s_max
    )
    error: NDArray[np.float64] = np.abs(target - s).max(axis=1)
    return error


def checked_start(
    quantized: Quantized, bias: NDArray[np.integer], start: SigmaDeltaState | None
) -> tuple[Int32, SigmaDeltaState]:
    """Bias and first registers as new int32 arrays.

    Raises:
        ChipRangeError: The bias or the start does not fit the network or its registers.
    """
    neuron, limit = quantized.neuron, (1 << (quantized.profile.number("bias_bits") - 1)) - 1
    if bias.ndim != 2 or bias.shape[1] != quantized.size or not np.issubdtype(bias.dtype, np.integer):
        raise ChipRangeError(
            f"bias: {bias.dtype} of shape {bias.shape}; give integers of shape (samples, {quantized.size})"
        )
    largest = int(np.abs(bias.astype(np.int64)).max(initial=0))
    if largest > limit:
        raise ChipRangeError(f"bias: {largest} exceeds +-{limit} of {quantized.profile.name}; lower it")
    state = neuron.rest(bias.shape) if start is None else start
    registers = [np.asarray(a, dtype=np.int64) for a in (state.v, state.s, state.sigma, state.m)]
    v, s, sigma, m = registers
    if any(a.shape != bias.shape for a in registers):
        raise ChipRangeError(f"start: registers of shape {v.shape}; give those of {bias.shape[0]} samples")
    within = (
        np.abs(v).max(initial=0) <= neuron.v_max
        and s.min(initial=0) >= 0
        and s.max(initial=0) <= neuron.s_max
    )
    weight = quantized.weight.astype(np.int64)
    if not within or np.any(neuron.wrap(sigma + (weight @ m.T).T) != neuron.wrap((weight @ s.T).T)):
        raise ChipRangeError(
            "start: the registers are not those of a run of this network (sigma and what is in flight do "
            "not add up to weight times s); give the state of an EmulatedRun"
        )
    return bias.astype(np.int32), SigmaDeltaState(*(a.astype(np.int32) for a in registers))


def stacked(frames: list[SigmaDeltaState], shape: tuple[int, ...]) -> SigmaDeltaState:
    """States of single steps as arrays (steps, samples, size)."""
    names = ("v", "s", "sigma", "m")
    columns = ([getattr(frame, name) for frame in frames] for name in names)
    return SigmaDeltaState(*(np.array(c, dtype=np.int32).reshape(len(frames), *shape) for c in columns))


@dataclass
class _Arrays:
    """Registers of the samples that still run; `_advance` writes into them."""

    bias: Int32
    v: Int32
    s: Int32
    sigma: Int32
    m: Int32
    sent: Int32

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "_Arrays":
        """Copies of some samples."""
        return _Arrays(
            self.bias[rows], self.v[rows], self.s[rows], self.sigma[rows], self.m[rows], self.sent[rows]
        )

    def put(self, rows: NDArray[np.intp], live: "_Arrays") -> None:
        """Write the registers of some samples back."""
        self.v[rows], self.s[rows], self.sigma[rows] = live.v, live.s, live.sigma
        self.m[rows], self.sent[rows] = live.m, live.sent


def _advance(live: _Arrays, neuron: SigmaDelta, product: Callable[[Int32], Int32]) -> NDArray[np.bool_]:
    """One step of every sample, in place; returns which did not change.

    int32 throughout: sums may pass 2^31 only in sigma, where they wrap modulo 2^32, which the
    register's own wrap modulo 2^24 divides; the membrane adds three registers of at most 28 bits.
    """
    spare = 32 - neuron.register_bits
    sigma = product(live.m)
    sigma += live.sigma
    sigma <<= spare
    sigma >>= spare  # the sign bit of the register fills the spare bits: two's complement
    lost = np.multiply(live.v > 0, (1 << neuron.leak_shift) - 1, dtype=np.int32)
    lost += live.v
    lost >>= neuron.leak_shift  # |v| 2^-k rounded up, with the sign of v: what the leak takes
    v = live.v - lost
    v += sigma
    v += live.bias
    np.clip(v, -neuron.v_max, neuron.v_max, out=v)
    quiet: NDArray[np.bool_] = (v == live.v).all(axis=1)
    m = v + (1 << (neuron.membrane_shift - 1))
    m >>= neuron.membrane_shift
    np.clip(m, 0, neuron.s_max, out=m)
    m -= live.s
    if neuron.threshold > 1:
        m[np.abs(m) < neuron.threshold] = 0
    if neuron.message_max is not None:
        np.clip(m, -neuron.message_max, neuron.message_max, out=m)
    live.v, live.sigma, live.m = v, sigma, m
    live.s += m
    sending = m != 0
    live.sent += sending
    quiet &= ~sending.any(axis=1)
    return quiet
