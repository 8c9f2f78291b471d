"""Text and start of the units of a population in an exported script: one presentation, without a nudge."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mep_neuro.converters.to_brian2.equations import group_equations
from mep_neuro.converters.to_brian2.spiking.equations import NOW, unit_text
from mep_neuro.converters.to_brian2.spiking.objects import courses_of
from mep_neuro.neurons.fixed_point import Array
from mep_neuro.simulation.network import Network, Population
from mep_neuro.simulation.spiking import is_spiking, neuron_of


@dataclass(frozen=True)
class Units:
    """What a script writes of a population.

    Attributes:
        equations: Of the NeuronGroup.
        given: Variables and what they are set to, as Python text.
        arguments: More arguments of the NeuronGroup, as Python text of one or more lines.
        slot: Code that runs in each step, before thresholds; empty of rate units.
        courses: Values of each slot by the name that the code calls them with.
    """

    equations: str
    given: Mapping[str, str]
    arguments: Mapping[str, str]
    slot: str = ""
    courses: Mapping[str, Array] = field(default_factory=dict)


def units(network: Network, population: Population, parts: list[str]) -> Units:
    """The units of a population into whose variables `parts` its projections sum.

    Raises:
        UnsupportedError: The neuron model or the activation has no Brian2 equation.
    """
    if is_spiking(network):
        return _spiking(network, population)
    return Units(
        equations=group_equations(population, parts),
        given={"tau_mem": f"{population.tau_mem * 1e3:.15g} * b2.ms"},
        arguments={"method": '"euler"'},
    )


def code(text: str) -> str:
    """Brian2's text as a Python string, with lines of its own if it has more than one."""
    return f'"""\n{text}\n"""' if "\n" in text else f'"{text}"'


def _spiking(network: Network, population: Population) -> Units:
    text, neuron = unit_text(population.model, population.name, 1), neuron_of(network, population.name)
    rest = neuron.rest((1,))
    start = {"v": rest.v, "i_syn": rest.i, "sigma": rest.i, "s": rest.s}
    lines = [line for line in text.equations.splitlines() if line != "nudge : 1"]
    held = {line.split(" :")[0] for line in lines}
    given = {name: repr(float(getattr(neuron, name))) for name in text.parameters}
    given |= {name: repr(float(value[0])) for name, value in start.items() if name in held and value[0]}
    courses = courses_of(neuron, network.spec.equilibrium.slots, (0.0,))
    del courses["ep_sign"]  # no nudge
    timed = [f'    "{name}": b2.TimedArray(numbers["{population.name}.{name}"], dt=DT),' for name in courses]
    return Units(
        equations="\n".join(lines),
        given=given,
        arguments={
            "threshold": code(text.threshold),
            "reset": code(text.reset),
            "namespace": "\n".join(["{", *timed, "}"]),
        },
        slot=text.update.replace(NOW, "drive"),
        courses=courses,
    )
