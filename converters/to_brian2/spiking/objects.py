"""Brian2's objects of a spiking network."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.objects import Maker, order_of
from mep_neuro.converters.to_brian2.spiking.equations import synapse_text, unit_text
from mep_neuro.neurons.annealed_sigma_delta import AnnealedSigmaDelta
from mep_neuro.neurons.fixed_point import on_grid
from mep_neuro.neurons.sigma_delta import GradedSigmaDelta
from mep_neuro.neurons.spiking import SpikingNeuron
from mep_neuro.simulation.network import Network, Population, Projection
from mep_neuro.simulation.spiking import neuron_of, weights_on_grid

Array = NDArray[np.float64]


def courses_of(neuron: SpikingNeuron, slots: int, signs: Sequence[float]) -> dict[str, Array]:
    """The gates of a run, slot by slot: ep_sign, ep_keep, ep_return, ep_window0, ep_window1, ..., ep_theta.

    Args:
        neuron: Neuron of a population.
        slots: Slots of a phase.
        signs: Sign of the nudge in each phase.
    """
    whole = np.zeros((len(signs), slots))
    courses = {"ep_sign": np.repeat(np.asarray(signs, dtype=np.float64), slots)}
    for phase in range(len(signs)):
        window = whole.copy()
        window[phase] = neuron.window(slots, nudged=phase > 0)
        courses[f"ep_window{phase}"] = window.ravel()
    if len(signs) > 2:
        for name, phases in (("ep_keep", slice(1, 2)), ("ep_return", slice(2, None))):
            begins = whole.copy()
            begins[phases, 0] = 1.0
            courses[name] = begins.ravel()
    if isinstance(neuron, GradedSigmaDelta | AnnealedSigmaDelta):
        thresholds = [neuron.threshold(slot) for slot in range(slots)]
        courses["ep_theta"] = np.tile(np.asarray(thresholds), len(signs))
    return courses


def neuron_group(
    maker: Maker,
    network: Network,
    population: Population,
    identifier: str,
    namespace: Mapping[str, Any],
    phases: int,
) -> Any:
    """The NeuronGroup of a population."""
    text, neuron = unit_text(population.model, population.name, phases), neuron_of(network, population.name)
    group = maker.brian2.NeuronGroup(
        maker.samples * population.size,
        text.equations,
        threshold=text.threshold,
        reset=text.reset,
        name=identifier,
        **{**maker.shared(), "namespace": dict(namespace)},
    )
    group.run_regularly(text.update, when="groups", clock=maker.clock, name=f"{identifier}_slot")
    for parameter in text.parameters:
        setattr(group, parameter, getattr(neuron, parameter))
    return group


def synapses(
    maker: Maker, network: Network, projection: Projection, identifier: str, pre: Any, post: Any
) -> Any:
    """The Synapses of a projection; its weights are given by `values`."""
    message = unit_text(network.populations[projection.post].model, projection.post, 1).message
    equations, on_pre, on_post = synapse_text(message, own_feedback=has_own_feedback(projection))
    made = maker.brian2.Synapses(
        pre, post, equations, on_pre=on_pre, on_post=on_post, name=identifier, **maker.shared()
    )
    maker.connect(made, projection)
    return made


def has_own_feedback(projection: Projection) -> bool:
    """Whether the way back has weights that g * w does not give, to the last bit."""
    return not np.array_equal(
        on_grid(projection.synapses.gain * projection.forward_weights), weights_on_grid(projection)[1]
    )


def values(projection: Projection, samples: int) -> dict[str, Array]:
    """The variables of a projection's Synapses, shape (samples * synapses,) each."""
    found = {"w": projection.forward_weights, "g": projection.synapses.gain}
    if has_own_feedback(projection):
        found["b"] = projection.feedback_weights
    order = order_of(projection)
    return {name: np.tile(value[order], samples) for name, value in found.items()}
