"""The numpy reference run of a spiking network: phases of slots, and the rates read from each.

In a slot every unit takes what arrived, that is the weighted sum of what was sent in the slot before,
steps, and sends. All numbers lie on the grid of `neurons/fixed_point.py`, so that the sums have one value
in whatever order a simulator adds them. Every nudged phase begins where the free phase ended: plus and
minus phase then start with the same membranes, and most of their quantization noise is the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mep_neuro.errors import StimulusError, UnsupportedError
from mep_neuro.neurons.fixed_point import LARGEST_SUM, on_grid
from mep_neuro.neurons.spiking import SpikingNeuron, SpikingState
from mep_neuro.neurons.table import SPIKING_MODELS, spiking_neuron
from mep_neuro.simulation.currents import Currents, currents
from mep_neuro.simulation.network import Network, Projection
from mep_neuro.simulation.stimulus import Stimulus

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SpikingPhase:
    """One phase of a batch.

    Attributes:
        rates: What the window reads of each settling population, shape (samples, n) each.
        end: State of all settling units side by side, to go on from, shape (samples, units).
        messages: Spikes or messages that each unit sent, shape (samples, n) of each population.
        sent: What was sent in each slot, shape (slots, samples, n) each; empty unless traced.
        membranes: Membranes after each slot, shape (slots, samples, n) each; empty unless traced.
    """

    rates: dict[str, Array]
    end: SpikingState
    messages: dict[str, Array]
    sent: Mapping[str, Array] = field(default_factory=dict)
    membranes: Mapping[str, Array] = field(default_factory=dict)


def is_spiking(network: Network) -> bool:
    """Whether the settling populations are of a spiking model."""
    return network.dynamic[0].model in SPIKING_MODELS


def neuron_of(network: Network, population: str) -> SpikingNeuron:
    """The spiking neuron of a population, with the file's parameters and its dt.

    Raises:
        UnsupportedError: The population's model is no spiking one.
    """
    section = network.spec.neuron_of(population)
    if section.model not in SPIKING_MODELS:
        raise UnsupportedError(
            f"population '{population}': {section.model} neurons do not spike; "
            f"write one of {', '.join(SPIKING_MODELS)}"
        )
    return spiking_neuron(section.model, network.spec.equilibrium.dt, section.parameters)


def weights_on_grid(projection: Projection) -> tuple[Array, Array]:
    """What each synapse multiplies with, forward and back, shape (n,) each."""
    return on_grid(projection.forward_weights), on_grid(projection.feedback_weights)


def spiking_currents(network: Network) -> Currents:
    """The operator of a network with its weights on the grid.

    Raises:
        UnsupportedError: Attention, or weights so large that sums could lose exactness.
    """
    operator = currents(network, weights_on_grid)
    largest = float(abs(operator.recurrent).sum(axis=1).max())
    if not largest <= LARGEST_SUM:
        raise UnsupportedError(
            f"spiking: the weights into one unit add up to {largest:.4g}, and sums are exact up to "
            f"{LARGEST_SUM:g}; lower them, or set consolidation.spectral_bound"
        )
    return operator


def constant_current(
    operator: Currents, stimulus: Stimulus, nudge: Mapping[str, Array] | None = None, sign: float = 1.0
) -> Array:
    """Drive and nudge of every settling unit on the grid, shape (samples, units).

    Args:
        operator: Of `spiking_currents`.
        stimulus: What the network is shown.
        nudge: Constant currents beta times force by population; rounded, then times `sign`.
        sign: +1 in the plus phase, -1 in the minus phase.

    Raises:
        StimulusError: A current is too large for exact sums.
    """
    total = on_grid(operator.join(stimulus.drive))
    if nudge is not None:
        none = {p.name: np.zeros((stimulus.samples, p.size)) for p in operator.populations}
        total = total + sign * on_grid(operator.join({**none, **nudge}))
    largest = float(np.abs(total).max(initial=0.0))
    if not largest <= LARGEST_SUM:
        raise StimulusError(
            f"spiking: a constant current of {largest:.4g} exceeds {LARGEST_SUM:g}; scale the input down"
        )
    return total


def spiking_phase(
    network: Network,
    stimulus: Stimulus,
    *,
    slots: int | None = None,
    nudge: Mapping[str, Array] | None = None,
    sign: float = 1.0,
    start: SpikingState | None = None,
    trace: bool = False,
) -> SpikingPhase:
    """Run one phase.

    Args:
        network: A network of spiking neurons.
        stimulus: What it is shown.
        slots: Length; equilibrium.slots otherwise.
        nudge: Constant current by population, shape (samples, n) each, dimensionless; none by default.
        sign: Multiplies the nudge.
        start: For a nudged phase the end of the free phase, which is read over its whole length; rest by
            default.
        trace: Whether to keep what was sent, and the membranes, of every slot.

    Raises:
        UnsupportedError: The network is not of spiking neurons, or its weights are too large.
        StimulusError: The stimulus is too large.
    """
    operator = spiking_currents(network)
    slots = network.spec.equilibrium.slots if slots is None else slots
    neurons = [neuron_of(network, p.name) for p in operator.populations]
    drive = constant_current(operator, stimulus, nudge, sign)
    state = rest(operator, neurons, stimulus.samples) if start is None else start
    windows = [neuron.window(slots, nudged=start is not None) for neuron in neurons]
    weights = np.repeat(np.stack(windows, axis=1), [p.size for p in operator.populations], axis=1)
    total, messages = np.zeros(drive.shape), np.zeros(drive.shape)
    history: list[SpikingState] = []
    for slot in range(slots):
        state = spiking_step(operator, neurons, state, drive, slot)
        total += weights[slot] * state.s
        messages += state.m != 0.0
        if trace:
            history.append(state)
    rates = total / weights.sum(axis=0)
    sent, membranes = (
        operator.split(np.stack([getattr(past, name) for past in history])) if trace else {}
        for name in ("m", "v")
    )
    return SpikingPhase(operator.split(rates), state, operator.split(messages), sent, membranes)


def rest(operator: Currents, neurons: list[SpikingNeuron], samples: int) -> SpikingState:
    """Every unit before its first slot, side by side."""
    parts = [n.rest((samples, p.size)) for n, p in zip(neurons, operator.populations, strict=True)]
    return SpikingState(*(np.concatenate(arrays, axis=-1) for arrays in zip(*parts, strict=True)))


def spiking_step(
    operator: Currents, neurons: list[SpikingNeuron], state: SpikingState, drive: Array, slot: int
) -> SpikingState:
    """One slot of all units side by side."""
    arriving = np.ascontiguousarray((operator.recurrent @ state.m.T).T)
    ends = np.cumsum([p.size for p in operator.populations])[:-1]
    columns = [np.split(array, ends, axis=-1) for array in (*state, arriving, drive)]
    parts = [
        neuron.step(SpikingState(*own[:4]), own[4], own[5], slot)
        for neuron, own in zip(neurons, zip(*columns, strict=True), strict=True)
    ]
    return SpikingState(*(np.concatenate(arrays, axis=-1) for arrays in zip(*parts, strict=True)))
