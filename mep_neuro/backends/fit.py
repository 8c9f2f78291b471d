"""Whether and how a network fits a chip: limits, cores, what rounding costs, counted events, estimates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from mep_neuro.backends.registry import REFERENCE, find
from mep_neuro.chip.circuit import Circuit, circuit, with_pairs
from mep_neuro.chip.cost import Counts, Estimate, energy, latency, tally
from mep_neuro.chip.emulate import emulate
from mep_neuro.chip.lif.backend import COUNTED, STEADY, WARM_UP, count_spikes
from mep_neuro.chip.lif.quantize import QuantizedLif, quantize_lif
from mep_neuro.chip.limits import Check, chip_checks, neuron_for, refuse_without_feedback
from mep_neuro.chip.neuron_models import check_widths
from mep_neuro.chip.place import Placement, core_checks, place
from mep_neuro.chip.precision import ProjectionPrecision, report, with_rounded
from mep_neuro.chip.profile import ChipProfile, read_profile
from mep_neuro.chip.quantize import Quantized, quantize
from mep_neuro.errors import CapacityError, ChipProfileError, ChipRangeError
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.readout import classes, with_readout
from mep_neuro.simulation.recording import RunOptions, Widths, widths
from mep_neuro.simulation.stimulus import Stimulus, present

if TYPE_CHECKING:
    from mep_neuro.equilibrium.model import EquilibriumNetwork

Features = NDArray[np.floating]
Labels = NDArray[np.integer]
Watch = Callable[[int, int], None]
TOLERANCE = 1e-6  # of the float settles; an 8-bit state is a thousand times coarser


@dataclass(frozen=True)
class Rounding:
    """What the integers do to the classes of some labelled samples.

    Attributes:
        accuracy_float: Accuracy of the float network.
        accuracy: Accuracy in integers.
        agreement: Share of the samples with the same class.
        changes: By projection: accuracy with its weights alone rounded, minus the float accuracy.
    """

    accuracy_float: float
    accuracy: float
    agreement: float
    changes: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Fit:
    """The report of one network on one chip.

    Attributes:
        network: The network's name.
        profile: The chip.
        circuit: Units and synapses on the chip.
        neuron: Neuron that it would run on; None where the chip has none for it.
        checks: Every limit held against the network, those of the fullest core included.
        broken: The first limit that is broken, with value, limit and what to do; None where it fits.
        placement: Cores; None where it has no place.
        quantized: The integers; None where the neuron has none.
        precision: What rounding did to each projection.
        rounding: What it did to the classes; None without labelled samples.
        counts: Events of one inference; None without samples.
        energy: Joules of one inference.
        latency: Seconds of one inference.
        notes: What a user should know, in sentences.
    """

    network: str
    profile: ChipProfile
    circuit: Circuit
    neuron: str | None
    checks: tuple[Check, ...]
    broken: str | None
    placement: Placement | None
    quantized: Quantized | QuantizedLif | None = None
    precision: tuple[ProjectionPrecision, ...] = ()
    rounding: Rounding | None = None
    counts: Counts | None = None
    energy: Estimate | None = None
    latency: Estimate | None = None
    notes: tuple[str, ...] = ()


def fit(
    net: "EquilibriumNetwork | Network",
    chip: str | Path = "loihi2",
    *,
    features: Features | None = None,
    labels: Labels | None = None,
    weight_bits: int | None = None,
    state_bits: int | None = None,
    threshold: int | None = None,
    inputs_on_chip: bool = False,
    max_steps: int = 20_000,
    watch: Watch | None = None,
) -> Fit:
    """Hold a network against a chip.

    Args:
        net: The network.
        chip: Name of a profile, or the path of one.
        features: Samples to count events on, shape (samples, n_input); none are counted without.
        labels: Their classes, shape (samples,), to tell what rounding costs.
        weight_bits: Bits of a weight; the chip's without.
        state_bits: Rates are multiples of 2^-state_bits; 8 without. Of sigma_delta neurons alone.
        threshold: Smallest message that is sent, in steps of the state; 1 without. As above.
        inputs_on_chip: Whether the input units and their weights are on the chip as well; otherwise the
            host computes the input currents in float.
        max_steps: Steps after which a sample that never falls silent is given up.
        watch: Called with (done, total) settles.

    Raises:
        ChipProfileError: The chip is unknown, or its file has mistakes.
        UnsupportedError: No network of Equilibrium Propagation runs on this chip, or the network has
            attention or another part that is no sum over synapses, or no states of the width asked for.
        StimulusError: The features do not fit the network.
    """
    network = net if isinstance(net, Network) else net.to_network()
    profile = read_profile(chip)
    refuse_without_feedback(profile)
    laid, neuron = circuit(network, inputs_on_chip=inputs_on_chip), neuron_for(network, profile)
    asked = widths(weight_bits, state_bits, threshold)
    check_widths(asked, neuron)
    if neuron == "lif":
        laid = with_pairs(laid)
    checks = chip_checks(network, laid, profile)
    broken = [check.sentence(profile) for check in checks if check.verdict == "broken"]
    placement: Placement | None = None
    try:
        placement = place(laid, profile)
        checks += core_checks(laid, placement, profile)
    except CapacityError as error:
        broken.append(str(error))
    found = Fit(network.spec.name, profile, laid, neuron, checks, next(iter(broken), None), placement)
    if neuron not in ("sigma_delta", "lif"):
        return replace(found, notes=(_not_emulated(found),))
    try:
        return _with_integers(found, network, features, labels, asked, max_steps, watch)
    except ChipRangeError as error:
        return replace(found, broken=found.broken or str(error))
    except ChipProfileError as error:  # analog chips have no such widths
        return replace(found, notes=(f"not emulated, nothing was counted: {error}",))


def _with_integers(
    found: Fit,
    network: Network,
    features: Features | None,
    labels: Labels | None,
    asked: Widths,
    max_steps: int,
    watch: Watch | None,
) -> Fit:
    """Add what only the integers tell: precision, counts and estimates."""
    on_chip = found.circuit.inputs > 0
    if found.neuron == "lif":
        quantized: Quantized | QuantizedLif = quantize_lif(
            network, found.profile, weight_bits=asked.get("weight_bits"), inputs_on_chip=on_chip
        )
        notes = [
            "rates are coded by spikes of pairs of LIF neurons: first less second is the clamp to [0, 1]"
        ]
    else:
        quantized = quantize(network, found.profile, inputs_on_chip=on_chip, **asked)
        notes = []
    found = replace(found, quantized=quantized, precision=report(quantized), notes=tuple(notes))
    if features is None or features.shape[0] == 0:
        return replace(found, notes=(*found.notes, "no samples were given: nothing was counted"))
    events = _events(quantized, present(network, features), max_steps)
    if found.placement is not None:
        counts = tally(
            events.messages, events.steps, events.settled, events.weight, found.circuit, found.placement
        )
        found = replace(
            found,
            counts=counts,
            energy=energy(counts, found.profile),
            latency=latency(counts, found.placement, found.profile),
        )
    if labels is not None:
        held = classes(network, with_readout(network, events.rates))
        found = replace(found, rounding=_rounding(quantized, features, labels, held, watch))
    return found


@dataclass(frozen=True)
class _Events:
    """What an emulation did: messages of each neuron, shape (samples, neurons), and where it ended."""

    messages: NDArray[np.number]
    steps: NDArray[np.integer]
    settled: NDArray[np.bool_]
    weight: csr_matrix
    rates: Mapping[str, NDArray[np.float64]]


def _events(quantized: Quantized | QuantizedLif, stimulus: Stimulus, max_steps: int) -> _Events:
    if isinstance(quantized, Quantized):
        run = emulate(quantized, quantized.bias(stimulus), max_steps=max_steps)
        rates = quantized.rates(run.s)
        return _Events(run.messages, run.steps, run.settled, quantized.weight, rates)
    counted = count_spikes(quantized, quantized.bias(stimulus))
    spikes, total = counted.halves.sum(axis=0), WARM_UP + COUNTED
    steady = np.abs(counted.halves[0] - counted.halves[1]).max(axis=1, initial=0) <= STEADY
    return _Events(
        messages=spikes * (total / COUNTED),  # those of the warm-up at the same rate
        steps=np.full(stimulus.samples, total),
        settled=steady,
        weight=quantized.circuit.weight,
        rates=quantized.rates(spikes, COUNTED),
    )


def _rounding(
    quantized: Quantized | QuantizedLif, features: Features, labels: Labels, held: Labels, watch: Watch | None
) -> Rounding:
    """Classes of the float network, of the integers, and with one projection rounded at a time."""
    projections = [row.projection for row in report(quantized)]
    networks = [quantized.network, *(with_rounded(quantized, name) for name in projections)]
    found = []
    for done, network in enumerate(networks, start=1):
        rates = find(REFERENCE)(network, features, RunOptions(tolerance=TOLERANCE)).rates
        found.append(classes(network, rates))
        if watch is not None:
            watch(done, len(networks))
    right = [float(np.mean(predicted == labels)) for predicted in found]
    return Rounding(
        accuracy_float=right[0],
        accuracy=float(np.mean(held == labels)),
        agreement=float(np.mean(held == found[0])),
        changes={name: r - right[0] for name, r in zip(projections, right[1:], strict=True)},
    )


def _not_emulated(found: Fit) -> str:
    if found.neuron == "rate":
        return f"{found.profile.name} is analog: nothing was counted; its errors are measured as robustness"
    return f"{found.profile.name} has no neuron for this network: nothing was counted"
