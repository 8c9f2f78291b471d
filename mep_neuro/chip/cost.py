"""What one inference costs: counted events of an emulation, and estimates from a chip's published costs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from mep_neuro.chip.circuit import Circuit
from mep_neuro.chip.emulate import EmulatedRun
from mep_neuro.chip.place import Placement
from mep_neuro.chip.profile import ChipProfile, Range
from mep_neuro.chip.quantized import Quantized


@dataclass(frozen=True)
class Counts:
    """Events of one inference, counted in an emulation: means over the samples.

    Attributes:
        samples: Samples counted.
        settled: Share of them that fell silent, or whose spikes came to a steady rate.
        steps: Steps until nothing changed any more, or all steps of a rate code.
        neuron_updates: Each unit at each of these steps.
        messages: Messages or spikes sent.
        core_messages: The same, one for each core that a message reaches.
        synaptic_events: Weights that a message was multiplied with.
        events_of_busiest_core: The largest number of these on one core.
        silent_units: Units that sent nothing on any sample.
        bias_writes: Currents that the host writes before each inference.
        host_products: Products that the host computes for them, and for its read-out.
    """

    samples: int
    settled: float
    steps: float
    neuron_updates: float
    messages: float
    core_messages: float
    synaptic_events: float
    events_of_busiest_core: float
    silent_units: int
    bias_writes: int
    host_products: int


@dataclass(frozen=True)
class Estimate:
    """A cost between two ends, from published constants.

    Attributes:
        low: Lower end, SI; None where the cost is unknown.
        high: Upper end; None where there is none.
        missing: Constants that nobody published and that the cost needs.
    """

    low: float | None
    high: float | None
    missing: tuple[str, ...] = ()

    def words(self, unit: str) -> str:
        """The estimate as text, such as 'estimate: at least 3.1e-06 J'."""
        if self.low is None:
            return f"unknown ({', '.join(self.missing)} not known)"
        if self.high is None:
            return f"estimate: at least {self.low:.2g} {unit}"
        return f"estimate: {self.low:.2g} to {self.high:.2g} {unit}"


def count(quantized: Quantized, run: EmulatedRun, circuit: Circuit, placement: Placement) -> Counts:
    """Count what the samples of an emulation did until silence.

    Args:
        quantized: The network that ran.
        run: Its run, of at least one sample.
        circuit: The same network, the same units.
        placement: Where its units lie.
    """
    return tally(run.messages, run.steps, run.settled, quantized.weight, circuit, placement)


def tally(
    messages: NDArray[np.number],
    steps: NDArray[np.integer],
    settled: NDArray[np.bool_],
    weight: csr_matrix,
    circuit: Circuit,
    placement: Placement,
) -> Counts:
    """Counts from the messages or spikes of each neuron, shape (samples, neurons); the rest by sample."""
    sent = messages.mean(axis=0)
    held = csr_matrix((np.ones(weight.nnz), weight.indices, weight.indptr), shape=weight.shape)
    into = held @ sent  # events at each neuron
    on_core = np.bincount(placement.core_of, weights=into, minlength=len(placement.cores))
    return Counts(
        samples=int(steps.size),
        settled=float(settled.mean()),
        steps=float(steps.mean()),
        neuron_updates=float(steps.mean()) * circuit.size,
        messages=float(sent.sum()),
        core_messages=float(sent @ placement.targets),
        synaptic_events=float(into.sum()),
        events_of_busiest_core=float(on_core.max()),
        silent_units=int(np.count_nonzero(~messages.any(axis=0))),
        bias_writes=circuit.size,
        host_products=circuit.host_products,
    )


def energy(counts: Counts, profile: ChipProfile) -> Estimate:
    """Joules of one inference: events, updates and messages, each times its published cost."""
    return _sum(
        profile,
        (
            ("energy_per_synaptic_event", counts.synaptic_events),
            ("energy_per_neuron_update", counts.neuron_updates),
            ("energy_per_message", counts.core_messages),
        ),
    )


def latency(counts: Counts, placement: Placement, profile: ChipProfile) -> Estimate:
    """Seconds of one inference: every step waits for the fullest core, whose units and events queue."""
    fullest = max(core.used["neurons_per_core"] for core in placement.cores)
    return _sum(
        profile,
        (
            ("time_per_step", counts.steps),
            ("time_per_neuron_update", counts.steps * fullest),
            ("time_per_synaptic_event", counts.events_of_busiest_core),
        ),
    )


def _sum(profile: ChipProfile, parts: Sequence[tuple[str, float]]) -> Estimate:
    """Sum of counts times costs; an unknown low end counts as 0, an unknown high end opens the range."""
    ranges: list[tuple[Range, float]] = [(getattr(profile, name), times) for name, times in parts]
    missing = tuple(name for name, _ in parts if not getattr(profile, name).known)
    if missing:
        return Estimate(None, None, missing)
    low = sum((cost.low or 0.0) * times for cost, times in ranges)
    if any(cost.high is None for cost, _ in ranges):
        return Estimate(low, None)
    return Estimate(low, sum((cost.high or 0.0) * times for cost, times in ranges))
