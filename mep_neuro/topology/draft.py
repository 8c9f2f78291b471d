"""The parts of a file that are right by themselves, so that their relations can be checked too."""

from collections.abc import Set
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from mep_neuro.topology.section import Section
from mep_neuro.topology.spec import NetworkSpec, Neuron, Population, Projection
from mep_neuro.topology.training_spec import Consolidation, Equilibrium, Learning

S = TypeVar("S", bound=Section)


@dataclass(frozen=True)
class Draft:
    """Sections by name; a wrong one is missing here, and its name is in `broken`."""

    neurons: dict[str, Neuron]
    populations: dict[str, Population]
    projections: dict[str, Projection]
    equilibrium: Equilibrium | None
    learning: Learning | None
    consolidation: Consolidation | None
    broken: frozenset[str]

    def neuron_of(self, name: str) -> Neuron | None:
        """The neuron of a population, its own activation applied; None if that is wrong."""
        population = self.populations[name]
        neuron = Neuron() if population.neuron is None else self.neurons.get(population.neuron)
        if neuron is None or population.activation is None:
            return neuron
        return neuron.model_copy(update={"activation": population.activation})

    def activation_of(self, name: str) -> str | None:
        """The activation of a population, None if that is wrong."""
        population = self.populations[name]
        neuron = self.neuron_of(name)
        return population.activation or (None if neuron is None else neuron.activation)

    def with_role(self, role: str) -> list[str]:
        """Populations of a role, in the file's order."""
        return [name for name, population in self.populations.items() if population.role == role]

    @property
    def population_names(self) -> set[str]:
        """Names of all populations, right or wrong."""
        return set(self.populations) | {n.removeprefix("populations.") for n in self.broken_in("populations")}

    @property
    def neuron_names(self) -> set[str]:
        """Names of all neurons, right or wrong."""
        return set(self.neurons) | {n.removeprefix("neurons.") for n in self.broken_in("neurons")}

    def broken_in(self, section: str) -> set[str]:
        """The wrong entries of `neurons`, `populations` or `projections`."""
        return {name for name in self.broken if name == section or name.startswith(f"{section}.")}


def draft_of_spec(spec: NetworkSpec) -> Draft:
    """The draft of a specification in which every section is right."""
    return Draft(
        spec.neurons,
        spec.populations,
        spec.projections,
        spec.equilibrium,
        spec.learning,
        spec.consolidation,
        frozenset(),
    )


def draft_of_data(data: Any, broken_populations: Set[str]) -> Draft:
    """The right sections of a file in which some are wrong."""
    data = data if isinstance(data, dict) else {}
    broken = {f"populations.{name}" for name in broken_populations}
    neurons = _named(Neuron, data, "neurons", broken)
    populations = _named(Population, data, "populations", broken)
    projections = _named(Projection, data, "projections", broken)
    return Draft(
        neurons,
        {name: section for name, section in populations.items() if name not in broken_populations},
        projections,
        _section(Equilibrium, data.get("equilibrium", {})),
        _section(Learning, data.get("learning", {})),
        _section(Consolidation, data.get("consolidation", {})),
        frozenset(broken),
    )


def _named(model: type[S], data: dict[str, Any], key: str, broken: set[str]) -> dict[str, S]:
    sections = data.get(key, {} if key == "neurons" else None)
    if not isinstance(sections, dict):
        broken.add(key)
        return {}
    right = {}
    for name, content in sections.items():
        section = _section(model, content)
        if section is None:
            broken.add(f"{key}.{name}")
        else:
            right[name] = section
    return right


def _section(model: type[S], content: Any) -> S | None:
    try:
        return model.model_validate(content)
    except ValidationError:
        return None
