"""A network that learns, as Brian2 objects: what `objects` makes, with traces, errors and phases."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.converted import ProjectionTable
from mep_neuro.converters.to_brian2.equations import group_equations, identifiers, synapse_equations
from mep_neuro.converters.to_brian2.learning import rules
from mep_neuro.converters.to_brian2.learning.schedule import Schedule
from mep_neuro.converters.to_brian2.learning.timetable import Timetable
from mep_neuro.simulation.network import Network, Population, Projection
from mep_neuro.simulation.stimulus import present

Array = NDArray[np.float64]

TRACES = ("trace", "mean", "square")
"""What a synapse keeps from one update to the next; of a bias its unit keeps the same, as bias_trace, ..."""

SYNAPSES, UNITS, INPUT = 0, 1, 2
"""Order at a tick: synapses read their ends before units start anew, and the next pattern comes last."""


@dataclass(frozen=True)
class Plastic:
    """A network in Brian2 that learns while it runs.

    Attributes:
        network: The brian2.Network that holds everything.
        populations: NeuronGroup of each population, the input's too.
        projections: Synapses of each projection: weight w, trace where it is plastic.
        source: The network it was made from.
        times: Steps of each phase.
        dt: Time step, seconds.
    """

    network: Any
    populations: Mapping[str, Any]
    projections: ProjectionTable
    source: Network
    times: Timetable
    dt: float

    def places(self) -> dict[str, tuple[Any, str]]:
        """Group and variable of each number that learning changes, by the names of `Network.arrays()`."""
        found: dict[str, tuple[Any, str]] = {}
        for name, p in self.source.populations.items():
            if p.role != "input" and p.plastic_bias:
                found[f"populations.{name}.bias"] = self.populations[name], "bias"
        for name, q in self.source.projections.items():
            if q.plastic:
                found[f"projections.{name}.weight"] = self.projections[name], "w"
        return found

    def traces(self) -> Iterator[tuple[str, Any, str]]:
        """Name of the number, group and variable of everything in `TRACES`."""
        for name, (group, variable) in self.places().items():
            prefix = "" if variable == "w" else f"{variable}_"
            yield from ((name, group, prefix + t) for t in TRACES if prefix + t in group.variables)

    def changing(self) -> Iterator[tuple[Any, str]]:
        """Group and variable of every number that a training changes and keeps."""
        yield from self.places().values()
        yield from ((group, variable) for _, group, variable in self.traces())


def read(group: Any, variable: str) -> Array:
    """A variable of a group, shape (n,)."""
    return np.array(group.variables[variable].get_value(), dtype=np.float64)


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


def shown(network: Network, features: Array, plan: Schedule) -> dict[str, NDArray[np.float64]]:
    """The patterns, and the schedule with one entry a presentation, by the names that the code gives them."""
    update = np.cumsum(plan.closes)  # of the last presentation of each batch, its number from 1
    columns: dict[str, NDArray[Any]] = {
        "features": present(network, features).rates,
        "row": plan.row,
        "label": plan.label,
        "share": plan.share,
        "closing": plan.closes,
        "rate": network.spec.learning.lr * plan.factor,
        "sign": plan.sign,
        "mean_bias": 1.0 - rules.ADAM_BETAS[0] ** np.maximum(update, 1),
        "square_bias": 1.0 - rules.ADAM_BETAS[1] ** np.maximum(update, 1),
    }
    return {f"ep_{name}": column.astype(np.float64) for name, column in columns.items()}


def namespace(
    brian2: Any, network: Network, arrays: Mapping[str, Array], times: Timetable, dt: float
) -> dict[str, Any]:
    """What `shown` gives as TimedArrays, and constants."""
    step = dt * brian2.second
    timed = {name: brian2.TimedArray(array, dt=step, name=name) for name, array in arrays.items()}
    return {
        **timed,
        "ep_dt": step,
        "ep_span": times.span * float(network.spec.equilibrium.nudge.beta),
        "ep_momentum": network.spec.learning.momentum,
        "ep_epsilon": rules.ADAM_EPSILON,
    }


def make_plastic(maker: Maker, consolidated: frozenset[str]) -> Plastic:
    """Make the objects of a learning network.

    Args:
        maker: What they are made with.
        consolidated: Names (of `Network.arrays()`) of the weights that only consolidation moves.
    """
    network = maker.network
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
    else:
        equations, codes = _unit_text(maker, population, words)
    group = maker.brian2.NeuronGroup(
        population.size,
        equations,
        method="euler",
        namespace=dict(maker.namespace),
        name=words[f"p.{population.name}"],
        clock=maker.main,
        dtype=np.float64,
        codeobj_class=maker.code_class,
    )
    for code, clock, order in codes:
        group.run_regularly(code, clock=clock, when="start", order=order, codeobj_class=maker.code_class)
    if population.role != "input":
        group.tau_mem = population.tau_mem * maker.brian2.second
        group.k = population.k
        if not population.plastic_bias:
            group.bias = population.bias
        if population.role == "output":
            group.beta = float(maker.network.spec.equilibrium.nudge.beta)
    return group


def _unit_text(
    maker: Maker, population: Population, words: Mapping[str, str]
) -> tuple[str, list[tuple[str, Any, int]]]:
    network, learning = maker.network, maker.network.spec.learning
    into = [words[f"q.{q.name}"] for q in network.projections.values() if q.post == population.name]
    back = [
        words[f"q.{q.name}"]
        for q in network.projections.values()
        if q.pre == population.name and network.populations[q.post].dynamic
    ]
    output, continual = population.role == "output", learning.mode == "continual"
    optimizer = "none" if continual else learning.optimizer
    plastic = population.plastic_bias and not continual
    lines = [
        group_equations(population, rules.drive_parts(into, back), held=False),
        *rules.group_variables(output=output, optimizer=optimizer),
    ]
    tick = rules.unit_learning(maker.times, optimizer, plastic=plastic, output=output)
    codes = [(tick, maker.tick, UNITS)]
    if continual and population.plastic_bias:
        codes.append((rules.unit_continual(maker.times), maker.main, SYNAPSES))
    return "\n".join(lines), codes


def _synapses(
    maker: Maker, projection: Projection, word: str, groups: Mapping[str, Any], consolidated: frozenset[str]
) -> Any:
    learning, clamped = maker.network.spec.learning, projection.pre == maker.network.input.name
    continual = learning.mode == "continual"
    held = continual or f"projections.{projection.name}.weight" in consolidated
    optimizer = "none" if held else learning.optimizer
    own_feedback = projection.feedback_weight is not None
    equations = (
        rules.input_synapse_equations(word) if clamped else synapse_equations(word, own_feedback=own_feedback)
    )
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
