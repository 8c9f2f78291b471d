"""A lattice's radius: read from both spellings, and refused where it does not fit."""

import pytest

from mep_neuro.errors import TopologyError
from mep_neuro.topology.reader import parse_spec

WHOLE = """schema: mep-neuro/1
name: cube
populations:
  input: {shape: [4], role: input}
  cube: {shape: [5, 5, 4]}
  output: {shape: [2], role: output, activation: softmax}
projections:
  face: {pre: input, post: "cube[:, :, 0]", connector: {type: dense}}
  lattice: {pre: cube, post: cube, connector: {type: lattice, neighbours: 18, radius: 2}}
  read: {pre: "cube[:, :, -1]", post: output, connector: {type: dense}}
equilibrium: {nudge: {cost: cross_entropy}}
"""


def test_the_radius_is_read() -> None:
    connector = parse_spec(WHOLE).projections["lattice"].connector
    assert (connector.type, connector.neighbours, connector.radius) == ("lattice", 18, 2)  # type: ignore[union-attr]


def test_a_periodic_lattice_needs_as_many_units_as_its_neighbourhood() -> None:
    text = WHOLE.replace("radius: 2", "radius: 2, periodic: true")
    with pytest.raises(TopologyError) as caught:
        parse_spec(text)
    assert (
        "projections.lattice.connector.periodic: a periodic lattice needs 5 units along each axis "
        "at radius 2, not [5, 5, 4]; write periodic: false" in str(caught.value)
    )
    parse_spec(text.replace("[5, 5, 4]", "[5, 5, 5]"))


def test_synapses_are_counted_at_the_radius() -> None:
    text = WHOLE.replace("[5, 5, 4]", "[200, 200, 200]").replace("radius: 2", "radius: 3")
    with pytest.raises(TopologyError, match="synapses in all exceed the limit of 200000000; use smaller"):
        parse_spec(text)


@pytest.mark.parametrize("radius", ["0", "17", "1.5"])
def test_a_radius_is_a_small_whole_number(radius: str) -> None:
    with pytest.raises(TopologyError, match=r"projections\.lattice\.connector\.radius"):
        parse_spec(WHOLE.replace("radius: 2", f"radius: {radius}"))
