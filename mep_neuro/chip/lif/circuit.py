"""Integer networks of Lava's LIF neurons, and the registers of a run."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from mep_neuro.chip.ranges import row_sums
from mep_neuro.errors import ChipRangeError
from mep_neuro.neurons.lif_integer import INPUT_LIMIT, REGISTER_LIMIT, IntegerLif, LifState

Int32 = NDArray[np.int32]
BIAS_LIMIT = 1 << 24  # effective bias: a 13-bit mantissa shifted by at most 7 has 20 bits


@dataclass(frozen=True, eq=False)
class LifCircuit:
    """One population of LIF neurons and the synapses between them, as Lava's LIF, and Sparse or Dense.

    Attributes:
        neuron: The neuron of every unit.
        weight: int32, rows post, columns pre, shape (size, size): as Lava has them after truncation.
        weight_exponent: Power of two that scales the weighted sum of each unit; below 0 the sum is
            shifted down and rounded towards minus infinity, as Lava's Dense and Sparse do.
    """

    neuron: IntegerLif
    weight: csr_matrix
    weight_exponent: int = 0

    @property
    def size(self) -> int:
        """Number of units."""
        return int(self.weight.shape[0])

    def arriving(self, weighted: NDArray[np.int64]) -> NDArray[np.int64]:
        """What the neurons take in, of the weighted sums of spikes."""
        if self.weight_exponent >= 0:
            return weighted << self.weight_exponent
        return weighted >> -self.weight_exponent


@dataclass(frozen=True, eq=False)
class LifRun:
    """The end of an emulation; integers, shape (samples, size) each.

    Attributes:
        u: Synaptic current.
        v: Membrane.
        spikes: Spikes of the last step, still in flight.
        counts: Spikes of each unit, those of the first `warm_up` steps left out.
        wraps: Steps in which a current left its register, of all units of a sample; shape (samples,).
        steps: Steps until nothing changed any more, that last one included; shape (samples,).
        silent: Whether that happened: all later steps would repeat the last; shape (samples,).
        trace: All registers after each step, shape (steps, samples, size) each, or None.
    """

    u: Int32
    v: Int32
    spikes: Int32
    counts: NDArray[np.int64]
    wraps: NDArray[np.int64]
    steps: NDArray[np.int64]
    silent: NDArray[np.bool_]
    trace: LifState | None = None

    @property
    def state(self) -> LifState:
        """The registers, to start another run of the same network from."""
        return LifState(self.u, self.v, self.spikes)


def checked_start(
    circuit: LifCircuit, bias: NDArray[np.integer], start: LifState | None
) -> tuple[NDArray[np.int64], LifState]:
    """Bias and first registers as new int64 arrays.

    Raises:
        ChipRangeError: A weight, the bias or the start leaves what Lava's registers hold.
    """
    if bias.ndim != 2 or bias.shape[1] != circuit.size or not np.issubdtype(bias.dtype, np.integer):
        raise ChipRangeError(
            f"bias: {bias.dtype} of shape {bias.shape}; give integers of shape (samples, {circuit.size})"
        )
    largest = int(np.abs(bias.astype(np.int64)).max(initial=0))
    if largest > BIAS_LIMIT:
        raise ChipRangeError(f"bias: {largest} exceeds +-{BIAS_LIMIT}; lower it")
    most = int(row_sums(circuit.weight).max(initial=0)) << max(circuit.weight_exponent, 0)
    if most >= INPUT_LIMIT:
        raise ChipRangeError(
            f"weights: the |weights| into a unit sum to {most}, beyond the {INPUT_LIMIT} that Lava's LIF "
            "takes in; lower them or weight_exponent"
        )
    state = circuit.neuron.rest(bias.shape) if start is None else start
    registers = [np.array(a, dtype=np.int64) for a in (state.u, state.v, state.spikes)]
    u, v, spikes = registers
    if any(a.shape != bias.shape for a in registers):
        raise ChipRangeError(f"start: registers of shape {u.shape}; give those of {bias.shape[0]} samples")
    if max(np.abs(u).max(initial=0), np.abs(v).max(initial=0)) > REGISTER_LIMIT or np.any(spikes & ~1):
        raise ChipRangeError(
            f"start: u and v lie within +-{REGISTER_LIMIT} and spikes are 0 or 1; give the state of a LifRun"
        )
    return bias.astype(np.int64), LifState(u, v, spikes)


def stacked(frames: list[LifState], shape: tuple[int, ...]) -> LifState:
    """States of single steps as arrays (steps, samples, size)."""
    columns = ([getattr(frame, name) for frame in frames] for name in ("u", "v", "spikes"))
    return LifState(*(np.array(c, dtype=np.int32).reshape(len(frames), *shape) for c in columns))
