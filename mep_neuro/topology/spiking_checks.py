"""What a network of spiking neurons must fulfil: clamped units of one model, and phases that spikes have."""

from collections.abc import Iterator
from math import log2

from mep_neuro.neurons.fixed_point import MESSAGE_BITS
from mep_neuro.neurons.table import SPIKING_MODELS, parameters_of
from mep_neuro.topology.draft import Draft
from mep_neuro.topology.mistakes import Mistake
from mep_neuro.topology.spec import Neuron

_SIGMA_DELTA = ("sigma_delta", "annealed_sigma_delta")


def spiking_mistakes(draft: Draft) -> Iterator[Mistake]:
    """Parameters of each neuron, and what a network with spiking neurons cannot have."""
    for name, neuron in draft.neurons.items():
        yield from _parameters(name, neuron)
        yield from _times(draft, name, neuron)
    spiking = [name for name in _settling(draft) if _model(draft, name) in SPIKING_MODELS]
    if spiking:
        yield from _units(draft, spiking[0])
        yield from _parts(draft)
        yield from _phases(draft)


def _settling(draft: Draft) -> Iterator[str]:
    for name, population in draft.populations.items():
        softmax = draft.activation_of(name) == "softmax"
        if population.role != "input" and not softmax and draft.neuron_of(name) is not None:
            yield name


def _model(draft: Draft, name: str) -> str:
    neuron = draft.neuron_of(name)
    return "rate" if neuron is None else neuron.model


def _parameters(name: str, neuron: Neuron) -> Iterator[Mistake]:
    own, path = parameters_of(neuron.model), ("neurons", name)
    for key in neuron.parameters:
        if key not in own and key != "tau_mem":  # every model may keep the settle's tau_mem
            what = f"{neuron.model} neurons have no {key}; remove it (theirs: {', '.join(sorted(own))})"
            yield Mistake((*path, key), what)
    theta = neuron.v_threshold
    if theta is not None and neuron.model in _SIGMA_DELTA:
        power = 2.0 ** min(-1, max(-MESSAGE_BITS, round(log2(theta))))
        if theta != power:
            what = f"{theta:g} is no power of two from 2^-{MESSAGE_BITS} to 1/2; write {power!r}"
            yield Mistake((*path, "v_threshold"), what)
    if neuron.model == "lif":
        threshold, reset, leak = theta or 1.0, neuron.v_reset or 0.0, neuron.v_leak or 0.0
        for key, value in (("v_reset", reset), ("v_leak", leak)):
            if value >= threshold:
                what = f"{value:g} is not below the threshold of {threshold:g}: it fires by itself; lower it"
                yield Mistake((*path, key), what)


def _times(draft: Draft, name: str, neuron: Neuron) -> Iterator[Mistake]:
    if draft.equilibrium is None or neuron.tau_syn is None or draft.equilibrium.dt <= neuron.tau_syn:
        return
    what = (
        f"{neuron.tau_syn:g} s is below the dt of {draft.equilibrium.dt:g} s, so that a slot leaves nothing "
        "of the current; lower dt, or raise it"
    )
    yield Mistake(("neurons", name, "tau_syn"), what)


def _units(draft: Draft, first: str) -> Iterator[Mistake]:
    model = _model(draft, first)
    for name in _settling(draft):
        population, neuron = draft.populations[name], draft.neuron_of(name)
        key = "neuron" if population.activation is None else "activation"
        if neuron is not None and neuron.model != model:
            what = f"'{first}' is {model} and this is {neuron.model}; give all settling populations one model"
            yield Mistake(("populations", name), what)
        elif draft.activation_of(name) != "hard_sigmoid":
            other = draft.activation_of(name)
            what = f"{model} neurons are hard_sigmoid, not {other}; write that, or model: rate"
            yield Mistake(("populations", name, key), what)


def _parts(draft: Draft) -> Iterator[Mistake]:
    for name, population in draft.populations.items():
        for key in ("dropout", "sparsity"):
            if getattr(population, key):
                what = f"spiking neurons have no {key}; remove it, or write model: rate"
                yield Mistake(("populations", name, key), what)
    for name, projection in draft.projections.items():
        if projection.connector.type == "attention":
            what = "attention is no sum over synapses, and spikes need that; write dense, or model: rate"
            yield Mistake(("projections", name, "connector", "type"), what)


def _phases(draft: Draft) -> Iterator[Mistake]:
    if draft.learning is not None and draft.learning.mode == "continual":
        what = "spiking neurons are read over whole phases, and learn after them; write phased"
        yield Mistake(("learning", "mode"), what)
    equilibrium = draft.equilibrium
    if equilibrium is None:
        return
    if equilibrium.energy != "hopfield":
        what = "the errors of predictive coding have no spikes; write hopfield, or model: rate"
        yield Mistake(("equilibrium", "energy"), what)
    if equilibrium.nudge.phases == "frozen":
        what = "frozen phases settle half-differences, which have no spikes; write centered or one_sided"
        yield Mistake(("equilibrium", "nudge", "phases"), what)
    if equilibrium.nudge.beta == "auto":
        what = "auto measures small responses, which spikes do not resolve; write a number, such as 0.3"
        yield Mistake(("equilibrium", "nudge", "beta"), what)
