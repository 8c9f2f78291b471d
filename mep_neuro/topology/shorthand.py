"""`cube: {size: 6, neighbours: 26}`: a cubic population and its lattice in one line."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictStr

from mep_neuro.topology.mistakes import KeyPath, Mistake
from mep_neuro.topology.section import Fraction, Radius, Real, Section
from mep_neuro.topology.spec import Activation, WeightInit
from mep_neuro.topology.structure import structural_mistakes

# 215 ** 3 is the last cube within the limit of 10 000 000 units.
Edge = Annotated[int, Field(strict=True, ge=2, le=215)]


class Cube(Section):
    """Shorthand: size x size x size units and the lattice between neighbours, named NAME_lattice."""

    size: Edge = Field(description="units along each of the three axes")
    neighbours: Literal[6, 18, 26] = Field(description="6 faces, 18 with edges, 26 with corners")
    radius: Radius = Field(1, description="steps along an axis; the numbers of neighbours hold for 1")
    neuron: StrictStr | None = Field(None, description="name under `neurons`")
    activation: Activation | None = Field(None, description="overrides the neuron's")
    bias: Real = Field(0.0, description="bias current of every unit at the start")
    plastic_bias: StrictBool = Field(True, description="whether learning changes the biases")
    periodic: StrictBool = Field(False, description="whether opposite faces are neighbours")
    axis: Annotated[int, Field(strict=True, ge=0, le=2)] = Field(2, description="from input to read-out")
    feedback_gain: Fraction = Field(1.0, description="g between the slices along `axis`")
    plastic: StrictBool = Field(True, description="whether learning changes the lattice")
    weight: WeightInit = Field(default_factory=WeightInit)


_POPULATION = ("neuron", "activation", "bias", "plastic_bias")
_CONNECTOR = ("neighbours", "radius", "periodic", "axis")
_PROJECTION = ("feedback_gain", "plastic", "weight")


@dataclass(frozen=True)
class Resolved:
    """A file without shorthand.

    Attributes:
        data: The data, every cube written out; a wrong one stands in it as a small population.
        mistakes: Those of the cubes.
        origins: Where the lattice that each cube stands for is found in the file.
        broken: Names of the wrong cubes.
    """

    data: Any
    mistakes: list[Mistake] = field(default_factory=list)
    origins: dict[KeyPath, KeyPath] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()


def resolve_cubes(data: Any) -> Resolved:
    """Write out every cube of a file as a population and its lattice."""
    if not isinstance(data, dict) or not isinstance(data.get("populations"), dict):
        return Resolved(data)
    populations = dict(data["populations"])
    lattices: dict[str, Any] = {}
    mistakes: list[Mistake] = []
    origins: dict[KeyPath, KeyPath] = {}
    broken = set()
    for name, section in data["populations"].items():
        if not _is_cube(section):
            continue
        path: KeyPath = ("populations", name)
        wrong = _mistakes_of(section, path, f"{name}_lattice", data.get("projections"))
        mistakes += wrong
        populations[name] = {"shape": [2, 2, 2]} if wrong else _population(section)
        if wrong:
            broken.add(name)
        else:
            lattices[f"{name}_lattice"] = _lattice(name, section)
            origins["projections", f"{name}_lattice"] = path
    written_out = {**data, "populations": populations, **_merged(data, lattices)}
    return Resolved(written_out, mistakes, origins, frozenset(broken))


def _is_cube(section: Any) -> bool:
    return isinstance(section, dict) and "size" in section


def _mistakes_of(section: Any, path: KeyPath, lattice: str, projections: Any) -> list[Mistake]:
    if "neighbours" not in section or "shape" in section:
        size = section["size"]
        layer = f"shape: [{size}]" if isinstance(size, int) else "shape: [64]"
        what = f"'size' belongs to a cube; write {layer} alone, or size with neighbours: 26 and no shape"
        return [Mistake((*path, "size"), what)]
    mistakes = structural_mistakes(Cube, section, path)
    if isinstance(projections, dict) and lattice in projections:
        what = f"the cube's own lattice has this name; remove it, or rename the population '{path[-1]}'"
        mistakes.append(Mistake(("projections", lattice), what))
    return mistakes


def _population(section: dict[str, Any]) -> dict[str, Any]:
    return {"shape": [section["size"]] * 3, **_chosen(section, _POPULATION)}


def _lattice(name: str, section: dict[str, Any]) -> dict[str, Any]:
    connector = {"type": "lattice", **_chosen(section, _CONNECTOR)}
    return {"pre": name, "post": name, "connector": connector, **_chosen(section, _PROJECTION)}


def _chosen(section: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: section[key] for key in keys if key in section}


def _merged(data: dict[str, Any], lattices: dict[str, Any]) -> dict[str, Any]:
    projections = data.get("projections", {})
    if not lattices:
        return {}
    return {"projections": {**projections, **lattices}} if isinstance(projections, dict) else {}
