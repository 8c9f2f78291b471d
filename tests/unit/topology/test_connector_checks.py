"""What convolutions, one-to-one, sparse projections and other feedback must fulfil, and the messages."""

import pytest

from mep_neuro.errors import TopologyError
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import parse_spec
from mep_neuro.topology.writer import write_spec

RIGHT = """\
schema: mep-neuro/1
name: net
neurons:
  unit: {activation: tanh}
populations:
  input: {shape: [8, 8], role: input}
  maps: {shape: [3, 4, 4], neuron: unit, bias_per: channel}
  more: {shape: [3, 4, 4], neuron: unit}
  output: {shape: [2], role: output, neuron: unit}
projections:
  up: {pre: input, post: maps, connector: {type: conv2d, kernel: 3, padding: same, pool: 2}}
  on: {pre: maps, post: more, connector: {type: conv2d, kernel: 3}, feedback: random}
  skip: {pre: maps, post: more, connector: {type: one_to_one}, weight: {init: constant, gain: 0.5}}
  out: {pre: more, post: output, connector: {type: sparse, probability: 0.5}, feedback: antisymmetric}
equilibrium: {nudge: {cost: squared_error}}
"""
SOFTMAX = ("role: output, neuron: unit}", "role: output, activation: softmax}")
ENTROPY = ("squared_error", "cross_entropy")
ON = "pre: maps, post: more, connector: {type: conv2d, kernel: 3}"
SKIP = "pre: maps, post: more, connector: {type: one_to_one}"


def edited(*edits: tuple[str, str]) -> str:
    text = RIGHT
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the text"
        text = text.replace(old, new)
    return text


def test_reads_writes_and_builds_them() -> None:
    spec = parse_spec(RIGHT)
    assert parse_spec(write_spec(spec)) == spec
    net = build(spec)
    assert net.projections["up"].weight.shape == (3, 1, 3, 3)
    assert net.projections["skip"].weight.tolist() == [0.5] * 48
    assert net.projections["on"].feedback == "random"
    assert net.without_energy == ("on", "out")
    assert set(net.populations["maps"].bias) == {0.0}


MESSAGES = [
    (
        [(ON, "pre: maps, post: maps, connector: {type: conv2d, kernel: 3}")],
        "projections.on.post: a conv2d projection joins two populations, and both ends are 'maps'; write",
    ),
    (
        [SOFTMAX, ENTROPY, ("feedback: antisymmetric", "feedback: tied")],
        "projections.out.connector.type: a softmax read-out is dense, not sparse; write dense",
    ),
    (
        [(SKIP, "pre: maps, post: output, connector: {type: one_to_one}")],
        "projections.skip.connector: joins 48 units to 2, and one_to_one needs as many; give both ends",
    ),
    (
        [("post: maps, connector", 'post: "maps[0]", connector')],
        "projections.up.post: a convolution joins whole populations; write the name without index",
    ),
    (
        [("{shape: [8, 8], role", "{shape: [64], role")],
        "projections.up.pre: 'input' has one axis and a convolution needs images; write a shape such as [1,",
    ),
    (
        [("kernel: 3, padding: same", "kernel: 4, padding: same")],
        "projections.up.connector.padding: same needs an odd kernel, not 4; write a number of zeros, or",
    ),
    (
        [("kernel: 3, padding: same", "kernel: 9, padding: valid")],
        "projections.up.connector.kernel: 9 exceeds the image of 8 x 8 with 0 zeros on each side; write a",
    ),
    (
        [("pool: 2", "pool: 3")],
        "projections.up.connector.pool: 3 does not divide the 8 x 8 of the convolution; write another pool",
    ),
    (
        [("pool: 2", "pool: 1")],
        "projections.up.connector: 'maps' is 4 x 4, and the convolution gives 8 x 8; write shape [3,",
    ),
    (
        [("padding: same", "padding: -1")],
        "projections.up.connector.padding: -1 is no padding; write same, valid, or a number of zeros on each",
    ),
    (
        [("padding: same", "padding: full")],
        "projections.up.connector.padding: 'full' is no padding; write same, valid, or a number of zeros on",
    ),
    (
        [("probability: 0.5", "probability: 1.5")],
        "projections.out.connector.probability: 1.5 is out of range; write a number <= 1",
    ),
    (
        [("pool: 2}}", "pool: 2}, feedback: random}")],
        "projections.up.feedback: 'input' is clamped and gets no feedback; remove this",
    ),
    (
        [SOFTMAX, ENTROPY, ("{type: sparse, probability: 0.5}", "{type: dense}")],
        "projections.out.feedback: 'output' is a softmax read-out and sends nothing back; remove this",
    ),
    (
        [(ON, "pre: maps, post: maps, connector: {type: lattice}")],
        "projections.on.feedback: a lattice has tied feedback, not random; write tied, or remove it",
    ),
    (
        [("feedback: random", "feedback: randon")],
        "projections.on.feedback: unknown choice 'randon'; did you mean 'random'?",
    ),
    (
        [("output: {shape: [2],", "output: {shape: [2], bias_per: channel,")],
        "populations.output.bias_per: channel needs three axes (channels, height, width), not 1; write unit",
    ),
    (
        [("role: input}", "role: input, bias_per: channel}")],
        "populations.input.bias_per: the input is clamped to the data and has no bias; remove it",
    ),
    (
        [(SKIP, "pre: more, post: maps, connector: {type: conv2d}")],
        "projections.skip: 'on' joins the same units already, and carries both directions; remove",
    ),
]


@pytest.mark.parametrize(("edits", "expected"), MESSAGES, ids=[expected[:60] for _, expected in MESSAGES])
def test_tells_what_is_wrong_and_what_to_do(edits: list[tuple[str, str]], expected: str) -> None:
    with pytest.raises(TopologyError) as caught:
        parse_spec(edited(*edits), "my.yaml")
    assert any(expected in line for line in caught.value.mistakes), caught.value.mistakes


def test_gains_of_parallel_paths_must_multiply_alike() -> None:
    tied = [("feedback: random", "feedback_gain: 0.5"), ("feedback: antisymmetric", "feedback: tied")]
    with pytest.raises(
        TopologyError, match=r"skip\.feedback_gain: two paths between the same units multiply"
    ):
        build(parse_spec(edited(*tied)))
    both = ("weight: {init: constant, gain: 0.5}", "weight: {init: constant, gain: 0.5}, feedback_gain: 0.5")
    net = build(parse_spec(edited(*tied, both)))
    assert net.populations["maps"].k[0] == 2.0


def test_an_antisymmetric_path_beside_a_tied_one_is_refused() -> None:
    wrong = ("feedback: random", "feedback: antisymmetric")
    with pytest.raises(TopologyError, match="two paths between the same units multiply to different gains"):
        build(parse_spec(edited(wrong)))


def test_too_many_synapses_are_counted_without_an_array_of_them() -> None:
    big = ("{shape: [3, 4, 4], neuron: unit, bias_per", "{shape: [3000000, 4, 4], neuron: unit, bias_per")
    with pytest.raises(TopologyError, match="synapses in all exceed the limit of 200000000"):
        parse_spec(edited(big))
