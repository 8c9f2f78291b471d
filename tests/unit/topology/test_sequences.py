"""Mistakes of pointwise and attention projections, each with its place and what to do."""

import pytest

from mep_neuro.errors import TopologyError
from mep_neuro.topology.reader import parse_spec

RIGHT = """\
schema: mep-neuro/1
name: net
neurons:
  unit: {activation: tanh}
populations:
  input: {shape: [4, 7], role: input}
  memory: {shape: [4, 5], neuron: unit}
  tokens: {shape: [4, 6], neuron: unit}
  output: {shape: [4, 3], role: output, activation: softmax}
projections:
  embed: {pre: input, post: memory, connector: {type: pointwise}}
  place: {pre: "input[:, 3:]", post: tokens, connector: {type: pointwise}}
  across:
    {pre: memory, post: tokens, feedback_gain: 0.5, connector: {type: attention, key_width: 3, heads: 2}}
  within: {pre: tokens, post: tokens, connector: {type: attention, spectral_norm: 1.0}}
  read: {pre: tokens, post: output, connector: {type: pointwise}}
equilibrium: {nudge: {cost: cross_entropy, phases: centered}}
"""


def edited(*edits: tuple[str, str]) -> str:
    text = RIGHT
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the text"
        text = text.replace(old, new)
    return text


def mistakes(text: str) -> list[str]:
    with pytest.raises(TopologyError) as caught:
        parse_spec(text, "my.yaml")
    return list(caught.value.mistakes)


def test_reads_attention_and_pointwise() -> None:
    spec = parse_spec(RIGHT)
    across, within = (spec.projections[name].connector for name in ("across", "within"))
    assert (across.heads, across.key_width, across.inverse_temperature, across.spectral_norm) == (
        2,
        3,
        1.0,
        None,
    )
    assert (within.heads, within.key_width, within.spectral_norm) == (4, 16, 1.0)


SELF = "connector: {type: attention, spectral_norm: 1.0}"
READ = "post: output, connector: {type: pointwise}"
EMBED = "pre: input, post: memory, connector: {type: pointwise}"

REFUSED = {
    "axes": (
        [("input: {shape: [4, 7]", "input: {shape: [28]"), ('"input[:, 3:]"', "input")],
        "embed.pre: a pointwise projection needs two axes (positions, units), not 1; write both",
    ),
    "positions": (
        [("memory: {shape: [4, 5]", "memory: {shape: [3, 5]")],
        "embed.connector: a pointwise projection joins equal positions, and there are 4 before and 3 after; "
        "give both the same first axis",
    ),
    "pointwise within": (
        [(SELF, "connector: {type: pointwise}")],
        "within.post: a pointwise projection joins two populations; write another population, or attention",
    ),
    "part": (
        [("pre: memory, post: tokens", 'pre: "memory[:, 1:]", post: tokens')],
        "across.pre: attention joins whole populations; write the name without index",
    ),
    "three axes": (
        [
            ("memory: {shape: [4, 5]", "memory: {shape: [4, 1, 5]"),
            (EMBED, EMBED.replace("pointwise", "dense")),
        ],
        "across.pre: attention needs two axes (tokens, units), not 3; write a shape such as [8, 64]",
    ),
    "gain": (
        [(SELF, SELF + ", feedback_gain: 0.5")],
        "within.feedback_gain: self attention sends both ways between the same tokens, and has an energy "
        "at a gain of 1 only; remove this",
    ),
    "softmax": (
        [(READ, READ.replace("pointwise", "attention"))],
        "read.connector: attention reaches settling units and this is a softmax read-out; write pointwise or "
        "dense",
    ),
    "radius": (
        [(SELF, SELF + ", weight: {spectral_radius: 0.9}")],
        "within.weight.spectral_radius: attention is no part of the coupled map; remove this, or write "
        "spectral_norm in the connector",
    ),
    "frozen": (
        [("phases: centered", "phases: frozen")],
        "nudge.phases: 'across' is attention, whose currents are not linear in the rates; write centered or "
        "one_sided",
    ),
    "heads": ([("heads: 2", "heads: 0")], "across.connector.heads: 0 is out of range; write a number >= 1"),
    "size": (
        [("key_width: 3, heads: 2", "key_width: 100000, heads: 10000")],
        "across: 11000000236 synapses in all exceed the limit",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refuses_with_the_place(what: str) -> None:
    edits, expected = REFUSED[what]
    found = mistakes(edited(*edits))
    assert any(expected in mistake for mistake in found), found


def test_a_single_token_has_no_other() -> None:
    text = RIGHT.replace("[4, ", "[1, ")
    assert any(
        "a single token has no other to attend to; write a longer first axis" in m for m in mistakes(text)
    )
