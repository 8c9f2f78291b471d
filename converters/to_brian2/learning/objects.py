"""Makes the Brian2 objects of a network that learns: populations and projections with traces and phases."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mep_neuro.converters.to_brian2.converted import ProjectionTable
from mep_neuro.converters.to_brian2.equations import (
    feedback,
    forward,
    group_equations,
    identifiers,
    synapse_equations,
)
from mep_neuro.converters.to_brian2.learning import rules, spiking_rules
from mep_neuro.converters.to_brian2.learning.plastic import Plastic
from mep_neuro.converters.to_brian2.learning.timetable import Timetable
from mep_neuro.converters.to_brian2.spiking.equations import synapse_text, unit_text
from mep_neuro.simulation.network import Network, Population, Projection
from mep_neuro.simulation.spiking import is_spiking, neuron_of

READ_OUTS, SYNAPSES, UNITS, INPUT = -1, 0, 1, 2
"""Order at a tick: synapses read their ends before units start anew, and the next pattern comes last."""


@dataclass(frozen=True)
class Maker:
    """What every object of a learning network is made with.

    Attributes:
        brian2: The module.
        network: The network.
        times: Steps of each phase.
        dt: Time step, seconds.
        code_class: Brian2's class behind the code generation target; None for the device's own.
        namespace: What the generated code knows besides the group's variables.
        main: Clock of the membranes.
        tick: Clock of the phases' ends.
    """

    brian2: Any
    network: Network
    times: Timetable
    dt: float
    code_class: Any
    namespace: Mapping[str, Any]
    main: Any
    tick: Any

    @property
    def spiking(self) -> bool:
        """Whether the settling populations send spikes or messages."""
        return is_spiking(self.network)


def make_plastic(maker: Maker, consolidated: frozenset[str]) -> Plastic:
    """Make the objects of a learning network.

    Args:
        maker: What they are made with.
        consolidated: Names (of `Network.arrays()`) of the weights that only consolidation moves.
    """
    network: Network = maker.network
    populations = [network.input, *network.dynamic]
    names = identifiers([*(p.name for p in populations), *network.projections])
    keys = [*(f"p.{p.name}" for p in populations), *(f"q.{q}" for q in network.projections)]
    words = dict(zip(keys, names, strict=True))
    groups = {p.name: _group(maker, p, words) for p in populations}
    made = {
        q.name: _synapses(maker, q, words[f"q.{q.name}"], groups, consolidated)
        for q in network.projections.values()
    }
    return Plastic(
        network=maker.brian2.Network(*groups.values(), *made.values(), name="ep_network*"),
        populations=groups,
        projections=ProjectionTable(made, network),
        source=network,
        times=maker.times,
        dt=maker.dt,
    )


def _group(maker: Maker, population: Population, words: Mapping[str, str]) -> Any:
    if population.role == "input":
        equations = rules.input_equations()
        codes = [(rules.show_pattern(maker.times), maker.tick, INPUT)]
        group = _neuron_group(maker, population, words, equations)
    elif maker.spiking:
        group, codes = _spiking_units(maker, population, words)
    else:
        equations, codes = _unit_text(maker, population, words)
        group = _neuron_group(maker, population, words, equations, method="euler")
        group.tau_mem = population.tau_mem * maker.brian2.second
    for code, clock, order in codes:
        group.run_regularly(code, clock=clock, when="start", order=order, codeobj_class=maker.code_class)
    if population.role != "input":
        group.k = population.k
        if not population.plastic_bias:
            group.bias = population.bias
        if population.role == "output":
            group.beta = float(maker.network.spec.equilibrium.nudge.beta)
    return group


def _neuron_group(
    maker: Maker, population: Population, words: Mapping[str, str], equations: str, **more: Any
) -> Any:
    extra = more.pop("namespace", {})
    return maker.brian2.NeuronGroup(
        population.size,
        equations,
        namespace={**maker.namespace, **extra},
        name=words[f"p.{population.name}"],
        clock=maker.main,
        dtype=np.float64,
        codeobj_class=maker.code_class,
        **more,
    )


def _parts(maker: Maker, population: Population, words: Mapping[str, str]) -> list[str]:
    """Variables into which projections sum, and what else is a unit's current while it learns."""
    projections = maker.network.projections.values()
    into = [words[f"q.{q.name}"] for q in projections if q.post == population.name]
    back = [
        words[f"q.{q.name}"]
        for q in projections
        if q.pre == population.name and maker.network.populations[q.post].dynamic
    ]
    clamped = [words[f"q.{q.name}"] for q in projections if q.pre == maker.network.input.name]
    if maker.spiking:  # spikes arrive in one variable
        return ["bias", *(forward(word) for word in into if word in clamped)]
    return ["bias", "nudge", *map(forward, into), *map(feedback, back)]


def _unit_text(
    maker: Maker, population: Population, words: Mapping[str, str]
) -> tuple[str, list[tuple[str, Any, int]]]:
    learning, output = maker.network.spec.learning, population.role == "output"
    continual = learning.mode == "continual"
    optimizer = "none" if continual else learning.optimizer
    plastic = population.plastic_bias and not continual
    lines = [
        group_equations(population, _parts(maker, population, words), held=False),
        "before : 1",
        *rules.group_variables(output=output, optimizer=optimizer),
    ]
    tick = rules.unit_learning(maker.times, optimizer, plastic=plastic, output=output)
    codes = [("\n".join([tick, rules.rate_rest(maker.times)]), maker.tick, UNITS)]
    if continual and population.plastic_bias:
        codes.append((rules.unit_continual(maker.times), maker.main, SYNAPSES))
    return "\n".join(lines), codes


def _spiking_units(
    maker: Maker, population: Population, words: Mapping[str, str]
) -> tuple[Any, list[tuple[str, Any, int]]]:
    network, times = maker.network, maker.times
    neuron = neuron_of(network, population.name)
    text = spiking_rules.unit(population, _parts(maker, population, words), times)
    optimizer, output = network.spec.learning.optimizer, population.role == "output"
    lines = [text.equations, *rules.group_variables(output=output, optimizer=optimizer)]
    courses = {
        name: maker.brian2.TimedArray(
            course, dt=maker.dt * maker.brian2.second, name=f"{name}_{population.name}"
        )
        for name, course in spiking_rules.courses(neuron, times).items()
    }
    group = _neuron_group(
        maker,
        population,
        words,
        "\n".join(lines),
        threshold=text.threshold,
        reset=text.reset,
        namespace=courses,
    )
    group.run_regularly(text.update, clock=maker.main, when="groups", codeobj_class=maker.code_class)
    for parameter in text.parameters:
        setattr(group, parameter, getattr(neuron, parameter))
    tick = rules.unit_learning(
        times, optimizer, plastic=population.plastic_bias, output=output, rounded=spiking_rules.rounded
    )
    rest = spiking_rules.rest(neuron, text, times)
    return group, [
        (spiking_rules.read_out(neuron, times), maker.tick, READ_OUTS),
        ("\n".join([tick, rest]), maker.tick, UNITS),
    ]


def _synapses(
    maker: Maker, projection: Projection, word: str, groups: Mapping[str, Any], consolidated: frozenset[str]
) -> Any:
    learning, clamped = maker.network.spec.learning, projection.pre == maker.network.input.name
    continual = learning.mode == "continual"
    held = continual or f"projections.{projection.name}.weight" in consolidated
    optimizer = "none" if held else learning.optimizer
    own_feedback = projection.feedback_weight is not None
    paths: dict[str, str] = {}
    if clamped:
        equations = rules.input_synapse_equations(word)
    elif maker.spiking:
        message = unit_text(maker.network.populations[projection.post].model, projection.post, 1).message
        equations, on_pre, on_post = synapse_text(message, own_feedback=own_feedback)
        paths = {"on_pre": on_pre, "on_post": on_post}
    else:
        equations = synapse_equations(word, own_feedback=own_feedback)
    variables = rules.synapse_variables(
        plastic=projection.plastic, optimizer=optimizer, continual=continual and projection.plastic
    )
    made = maker.brian2.Synapses(
        groups[projection.pre],
        groups[projection.post],
        "\n".join([equations, *variables]),
        namespace=dict(maker.namespace),
        name=word,
        clock=maker.main,
        dtype=np.float64,
        codeobj_class=maker.code_class,
        **paths,
    )
    one = projection.synapses
    made.connect(i=one.pre, j=one.post)
    if not projection.plastic:  # the others are written by the trainer, for a program at each start
        made.w = projection.forward_weights
    if not clamped:
        made.g = one.gain
        if projection.feedback_weight is not None:
            made.b = one.scale * projection.feedback_weight.ravel()[one.slot]
    if projection.plastic:
        code, clock = (
            (rules.synapse_continual(maker.times), maker.main)
            if continual
            else (rules.synapse_contrast(maker.times, optimizer), maker.tick)
        )
        made.run_regularly(code, clock=clock, when="start", order=SYNAPSES, codeobj_class=maker.code_class)
    if clamped and not continual:
        # The current of a clamped input changes with the pattern or its weights alone: at ticks.
        for updater in made.summed_updaters.values():
            updater._clock = maker.tick
    return made
