"""The text of an exported script, from a network (nothing here needs Brian2)."""

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from mep_neuro.converters.to_brian2.equations import synapse_equations
from mep_neuro.converters.to_brian2.export import template
from mep_neuro.converters.to_brian2.export.units import Units, code, units
from mep_neuro.converters.to_brian2.objects import has_one_gain, part_names
from mep_neuro.converters.to_brian2.order import named
from mep_neuro.converters.to_brian2.spiking.equations import synapse_text, unit_text
from mep_neuro.converters.to_brian2.spiking.objects import has_own_feedback
from mep_neuro.simulation.conversion import ConversionReport
from mep_neuro.simulation.network import Network, Population, Projection
from mep_neuro.simulation.spiking import is_spiking


@dataclass(frozen=True)
class Facts:
    """What the header says, and the script does, beside what the network tells.

    Attributes:
        report: What is exact, approximated and left out.
        samples: Stored samples.
        steps: Steps of a presentation.
        tolerance: Largest difference from the stored rates that the script lets pass, with a comment.
        brian2: Version that ran it.
        numpy: Version that wrote it.
        written_by: Name and version of this package.
    """

    report: ConversionReport
    samples: int
    steps: int
    tolerance: str
    brian2: str
    numpy: str
    written_by: str


def script(network: Network, facts: Facts) -> str:
    """The script of a network.

    Raises:
        UnsupportedError: A neuron model or an activation has no Brian2 equation.
    """
    spiking, outside = is_spiking(network), not network.output.dynamic
    parts = [
        template.HEADER,
        template.IMPORTS,
        template.DRIVES,
        template.BUILD,
        template.CONNECT,
        template.READ_OUTS if spiking else template.RATES,
        *([template.SOFTMAX] if outside else []),
        template.MAIN,
    ]
    text = "".join(parts)
    for mark, value in _values(network, facts).items():
        text = text.replace(f"@{mark}@", value)
    return text


def _values(network: Network, facts: Facts) -> Mapping[str, str]:
    output, clamped = network.output, network.input
    from_input = [(q.name, q.post) for q in network.projections.values() if q.pre == clamped.name]
    dynamic = [p.name for p in network.dynamic]
    title = f"{network.spec.name} in Brian2: an Equilibrium Propagation network, by {facts.written_by}."
    return {
        "TITLE": title,
        "INPUTS": str(clamped.size),
        "BRIAN2": facts.brian2,
        "NUMPY": facts.numpy,
        "EXAMPLE": dynamic[0],
        "KEPT": _kept(facts.report),
        "SAMPLES": str(facts.samples),
        "DT": f"{network.spec.equilibrium.dt * 1e3:.15g}",
        "STEPS": str(facts.steps),
        "TOLERANCE": facts.tolerance,
        "INPUT": clamped.name,
        "POPULATIONS": json.dumps(dynamic),
        "FROM_INPUT": json.dumps([pair for pair in from_input if pair[1] in dynamic]),
        "DRIVE": template.ON_GRID if is_spiking(network) else "current",
        "GRID": template.GRID_SAID if is_spiking(network) else "",
        "OBJECTS": _objects(network),
        "READ": "found" if output.dynamic else "with_output(found)",
        "OUTPUT": output.name,
        "READS": json.dumps([(q.name, q.pre) for q in network.projections.values() if q.post == output.name]),
        "POSITIONS": str(output.positions),
    }


def _kept(report: ConversionReport) -> str:
    lines = []
    kinds = {"Exact": report.exact, "Approximated": report.approximated, "Left out": report.dropped}
    for kind, sentences in kinds.items():
        lines.append(f"{kind}:")
        for sentence in sentences or ("nothing",):
            lines += textwrap.wrap(sentence, 104, initial_indent="    ", subsequent_indent="        ")
    return "\n".join(lines)


def _objects(network: Network) -> str:
    populations, projections = named(network)
    lines: list[str] = []
    for p, name in populations:
        lines += _group(p, name, units(network, p, part_names(projections, p.name)))
    for q, name in projections:
        lines += _synapses(network, q, name)
    return "\n".join(f"    {line}".rstrip() for line in lines)


def _group(population: Population, identifier: str, text: Units) -> list[str]:
    key = f'groups["{population.name}"]'
    what = f"{population.size} {population.model} units, shape {population.shape}"
    return [
        "",
        f"# {population.name}: {what}, {population.activation}",
        f"{key} = b2.NeuronGroup(",
        f"    samples * {population.size},",
        *_block(text.equations),
        *(line for name, value in text.arguments.items() for line in _argument(name, value)),
        "    clock=clock,",
        f'    name="{identifier}",',
        ")",
        *(f"{key}.{name} = {value}" for name, value in text.given.items()),
        f'{key}.drive = drive["{population.name}"].ravel()',
        *(_slot(key, identifier, text.slot) if text.slot else []),
    ]


def _synapses(network: Network, projection: Projection, identifier: str) -> list[str]:
    key, paths = f'synapses["{projection.name}"]', {}
    if is_spiking(network):
        message = unit_text(network.populations[projection.post].model, projection.post, 1).message
        own = has_own_feedback(projection)
        equations, paths["on_pre"], paths["on_post"] = synapse_text(message, own_feedback=own)
    else:
        own = projection.feedback_weight is not None
        one_gain = has_one_gain(projection)
        equations = synapse_equations(identifier, own_feedback=own, one_gain=one_gain)
    shape = "x".join(map(str, projection.weight.shape))
    return [
        "",
        f"# {projection.name}: {projection.kind}, weights {shape}; w there, "
        + ("b back" if own else "g * w back: one weight both ways"),
        f"{key} = b2.Synapses(",
        f'    groups["{projection.pre}"],',
        f'    groups["{projection.post}"],',
        *_block(equations),
        *(line for name, value in paths.items() for line in _argument(name, code(value))),
        "    clock=clock,",
        f'    name="{identifier}",',
        ")",
        f'connect({key}, "{projection.name}", samples, numbers)',
    ]


def _argument(name: str, value: str) -> list[str]:
    first, *more = f"{name}={value},".splitlines()
    return [f"    {line}" for line in (first, *more)]


def _slot(key: str, identifier: str, text: str) -> list[str]:
    arguments = [f"    {part}," for part in ("clock=clock", 'when="groups"', f'name="{identifier}_slot"')]
    return [f"{key}.run_regularly(", *_block(text), *arguments, ")"]


def _block(text: str) -> list[str]:
    """Brian2's text as an argument of its own."""
    return [f"    {line}" for line in f"{code(text)},".splitlines()]
