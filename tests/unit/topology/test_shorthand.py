"""`cube: {size: 6, neighbours: 26}` stands for a population and its lattice."""

import pytest

from mep_neuro.errors import TopologyError
from mep_neuro.topology.reader import parse_spec
from mep_neuro.topology.spec import Lattice

TEXT = """\
name: net
populations:
  input: {shape: [4], role: input}
  cube: CUBE
  output: {shape: [2], role: output}
projections:
  up: {pre: input, post: "cube[:, :, 0]", connector: {type: dense}}
  out: {pre: "cube[:, :, -1]", post: output, connector: {type: dense}}
"""


def mistakes(cube: str, more: str = "") -> list[str]:
    with pytest.raises(TopologyError) as caught:
        parse_spec(TEXT.replace("CUBE", cube) + more, "my.yaml")
    return list(caught.value.mistakes)


def test_stands_for_a_population_and_a_lattice() -> None:
    cube = "{size: 5, neighbours: 18, radius: 2, bias: 0.5, activation: tanh, periodic: true, "
    cube += "feedback_gain: 0.3, "
    short = parse_spec(TEXT.replace("CUBE", cube + "weight: {gain: 2}, plastic: false, axis: 1}"))
    full = TEXT.replace("CUBE", "{shape: [5, 5, 5], bias: 0.5, activation: tanh}") + (
        "  cube_lattice: {pre: cube, post: cube, feedback_gain: 0.3, weight: {gain: 2}, plastic: false, "
        "connector: {type: lattice, neighbours: 18, radius: 2, periodic: true, axis: 1}}\n"
    )
    assert short == parse_spec(full)
    assert isinstance(short.projections["cube_lattice"].connector, Lattice)


@pytest.mark.parametrize(
    ("cube", "expected"),
    [
        (
            "{size: 64}",
            "my.yaml:4:16: populations.cube.size: 'size' belongs to a cube; write shape: [64] alone",
        ),
        ("{size: 6, neighbours: 26, shape: [6]}", "populations.cube.size: 'size' belongs to a cube; write"),
        (
            "{size: 1, neighbours: 26}",
            "my.yaml:4:16: populations.cube.size: 1 is out of range; write a number >= 2",
        ),
        ("{size: 500, neighbours: 26}", "populations.cube.size: 500 is out of range; write a number <= 215"),
        ("{size: 6, neighbours: 27}", "populations.cube.neighbours: 27 does not fit; write 6, 18 or 26"),
        (
            "{size: 6, neighbours: 26, neurons: u}",
            "populations.cube.neurons: unknown key 'neurons'; did you mean",
        ),
        (
            "{size: 2, neighbours: 6, periodic: true}",
            "my.yaml:4:3: populations.cube.connector.periodic: a periodic",
        ),
        ("{size: 3, neighbours: 6, neuron: u}", "my.yaml:4:42: populations.cube.neuron: unknown neuron 'u'"),
    ],
)
def test_tells_its_mistakes_where_they_are_written(cube: str, expected: str) -> None:
    found = mistakes(cube)
    assert len(found) == 1
    assert expected in found[0]


def test_refuses_a_projection_of_the_same_name() -> None:
    found = mistakes(
        "{size: 3, neighbours: 6}",
        "  cube_lattice: {pre: cube, post: output, connector: {type: dense}}\n",
    )
    assert found == [
        "my.yaml:9:3: projections.cube_lattice: the cube's own lattice has this name; remove it, "
        "or rename the population 'cube'"
    ]
