"""The back end 'loihi-emulator' with stock LIF neurons: quantize, count spikes, read the rates back."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from mep_neuro.chip.lif.emulate import emulate_lif
from mep_neuro.chip.lif.quantize import LifBias, QuantizedLif, quantize_lif
from mep_neuro.chip.profile import read_profile
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.readout import with_readout
from mep_neuro.simulation.recording import Recording, RunOptions
from mep_neuro.simulation.stimulus import present

Progress = Callable[[int, int], None]

WARM_UP = 1024  # steps that are not counted; chosen with the next on training images of the digits
COUNTED = 3072  # steps in which spikes are counted: 48 of a unit of rate 1
STEADY = 2  # spikes by which the halves of the count may differ in a settled sample


@dataclass(frozen=True, eq=False)
class LifCounts:
    """Spikes in the two halves of the counted steps, and the registers one step after them.

    Attributes:
        halves: Shape (2, samples, neurons).
        u: Current, shape (samples, neurons).
        v: Membrane, shape (samples, neurons).
        wraps: Overflows of a current; shape (samples,).
    """

    halves: NDArray[np.int64]
    u: NDArray[np.integer]
    v: NDArray[np.integer]
    wraps: NDArray[np.int64]


def count_spikes(quantized: QuantizedLif, bias: LifBias, progress: Progress | None = None) -> LifCounts:
    """Emulate the warm-up, both halves, and one step more.

    Args:
        quantized: The network.
        bias: Its constant currents.
        progress: Called with (steps done, steps).
    """
    total = WARM_UP + COUNTED
    circuit, current, state = quantized.circuit, bias.current, None
    done, halves, wraps = 0, [], np.zeros(current.shape[0], dtype=np.int64)
    for window in (WARM_UP, COUNTED - COUNTED // 2, COUNTED // 2):
        run = emulate_lif(
            circuit, current, steps=window, start=state, observe=_observer(progress, done, total)
        )
        state, done = run.state, done + window
        halves.append(run.counts)
        wraps += run.wraps
    if progress is not None:
        progress(total, total)
    last = emulate_lif(circuit, current, steps=1, start=state)
    return LifCounts(np.array(halves[1:]), last.u, last.v, wraps + last.wraps)


def run_lif(network: Network, features: NDArray[np.floating], options: RunOptions) -> Recording:
    """Settle a network as a rate code of LIF neurons, in the integers of a chip.

    Args:
        network: The float network.
        features: Shape (samples, n_input), as the data set gives them.
        options: `chip`, `widths` and `progress` count here.

    Returns:
        Rates as counted spikes; a sample counts as settled if the two halves of the count differ by at
        most two spikes in every unit: a spiking network never comes to rest.

    Raises:
        ChipProfileError: The chip is unknown.
        UnsupportedError: The network has units that LIF neurons cannot express.
        ChipRangeError: A number does not fit the chip.
        StimulusError: The features do not fit the network.
    """
    began = perf_counter()
    quantized = quantize_lif(
        network, read_profile(options.chip), weight_bits=options.widths.get("weight_bits")
    )
    counts = count_spikes(quantized, quantized.bias(present(network, features)), options.progress)
    return lif_recording("loihi-emulator", quantized, counts, perf_counter() - began)


def lif_recording(
    backend: str,
    quantized: QuantizedLif,
    counts: LifCounts,
    seconds: float,
    extra: dict[str, float] | None = None,
    notes: tuple[str, ...] = (),
) -> Recording:
    """What came out, of the emulator or of Lava."""
    spikes = counts.halves.sum(axis=0)
    samples = spikes.shape[0]
    unsteady = np.abs(counts.halves[0] - counts.halves[1]).max(axis=1, initial=0) > STEADY
    fan_out = np.bincount(quantized.circuit.weight.indices, minlength=quantized.circuit.size)
    events = spikes * ((WARM_UP + COUNTED) / COUNTED)  # those of the warm-up at the same rate
    return Recording(
        backend=backend,
        rates=with_readout(quantized.network, quantized.rates(spikes, COUNTED)),
        steps=np.full(samples, WARM_UP + COUNTED, dtype=np.int64),
        settled=~unsteady,
        seconds=seconds,
        counts={
            "spikes_per_neuron": float(events.mean()),
            "synaptic_events_per_sample": float((events @ fan_out).mean()),
            "current_overflows": float(counts.wraps.sum()),
            **(extra or {}),
        },
        notes=(*_notes(quantized, counts), *notes),
    )


def _notes(quantized: QuantizedLif, counts: LifCounts) -> tuple[str, ...]:
    notes = [
        f"{quantized.circuit.size} LIF neurons"
        + (", two for each unit: relu(x) - relu(x - 1)" if quantized.clamp else "")
        + f"; a rate s is s / {quantized.interval} spikes a step, counted over {COUNTED} steps "
        f"after {WARM_UP}",
        f"{quantized.weight_bits}-bit weights, threshold {quantized.circuit.neuron.vth}, "
        f"limited by the {quantized.limited_by}",
        "input currents are computed on the host and enter as biases",
    ]
    if any(p.model == "lif" for p in quantized.network.dynamic):
        notes.append(
            "the file's lif neurons were taken as the rates that they code: tau_mem, tau_syn and v_leak are "
            "not the file's"
        )
    if not quantized.network.output.dynamic:
        notes.append("the softmax read-out is computed on the host")
    if counts.wraps.any():
        notes.append(
            f"the synaptic current left its register {int(counts.wraps.sum())} times and wrapped, as on the "
            "chip: the rates mean nothing; lower the weights"
        )
    return tuple(notes)


def _observer(progress: Progress | None, done: int, total: int) -> Progress | None:
    if progress is None:
        return None
    return lambda step, _: progress(done + step, total)
