"""Rounding to few levels: closed forms, its error, and that it scales with the weights."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from mep_neuro.errors import TopologyError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.weight_bits import rounded
from mep_neuro.topology.reader import parse_spec
from mep_neuro.topology.writer import write_spec

TEXT = """\
name: net
neurons:
  unit: {activation: tanh}
populations:
  input: {shape: [6], role: input}
  hidden: {shape: [5], neuron: unit}
  output: {shape: [3], role: output, neuron: unit}
projections:
  up: {pre: input, post: hidden, connector: {type: dense}, weight_bits: ternary}
  out: {pre: hidden, post: output, connector: {type: dense}, weight_bits: 4}
"""
weights = arrays(np.float64, st.integers(1, 30), elements=st.floats(-3, 3))


def test_ternary_by_hand() -> None:
    # mean |w| is 0.5, the threshold 0.35; the two beyond it have the mean 0.8
    assert rounded(np.array([0.9, -0.7, 0.2, -0.2]), "ternary") == pytest.approx([0.8, -0.8, 0.0, 0.0])


def test_bits_by_hand() -> None:
    # 3 bits: 3 steps of 0.5 on each side
    got = rounded(np.array([1.5, -0.7, 0.2, 0.3]), 3)
    assert got == pytest.approx([1.5, -0.5, 0.0, 0.5])
    assert rounded(np.array([1.5, -0.7, 0.8]), 2) == pytest.approx([1.5, 0.0, 1.5])


@given(weights, st.integers(2, 8))
def test_bits_are_at_most_half_a_step_off(latent: NDArray[np.float64], bits: int) -> None:
    got = rounded(latent, bits)
    step = np.abs(latent).max() / (2 ** (bits - 1) - 1)
    assert np.abs(got - latent).max() <= step / 2 * (1 + 1e-9)
    assert len(np.unique(got)) <= 2**bits - 1


@given(weights, st.sampled_from(["ternary", 2, 5, 8]))
def test_levels_scale_with_the_weights(latent: NDArray[np.float64], bits: int) -> None:
    """By a power of two, so that no rounding of the scaled weights decides."""
    assert rounded(0.25 * latent, bits) == pytest.approx(0.25 * rounded(latent, bits), rel=1e-12, abs=1e-300)
    assert np.array_equal(rounded(-latent, bits), -rounded(latent, bits))


@pytest.mark.parametrize("bits", ["ternary", 3])
def test_zeros_stay_and_the_dtype_does(bits: int) -> None:
    got = rounded(np.zeros(4, np.float32), bits)
    assert got.dtype == np.float32
    assert not got.any()


def test_a_network_holds_both_and_takes_both_back() -> None:
    net = build(parse_spec(TEXT), seed=2)
    up, out = net.projections["up"], net.projections["out"]
    assert up.latent_weight is not None
    assert len(np.unique(np.abs(up.weight))) == 2
    assert len(np.unique(up.latent_weight)) == 30
    assert np.array_equal(up.weight, rounded(up.latent_weight, "ternary"))
    assert len(np.unique(out.weight)) <= 15
    held = net.arrays()
    assert {"projections.up.weight", "projections.up.latent_weight"} <= set(held)
    again = build(parse_spec(TEXT), seed=3).with_arrays(held)
    assert all(np.array_equal(value, held[name]) for name, value in again.arrays().items())
    assert parse_spec(write_spec(net.spec)) == net.spec


def test_the_radius_at_the_start_is_that_of_the_levels() -> None:
    text = TEXT.replace("weight_bits: 4", "weight_bits: 2, weight: {spectral_radius: 0.6}")
    weight = build(parse_spec(text), seed=2).projections["out"].weight
    assert np.linalg.norm(weight, 2) == pytest.approx(0.6)


def test_random_feedback_is_rounded_too() -> None:
    text = TEXT.replace("weight_bits: 4", "weight_bits: ternary, feedback: random")
    back = build(parse_spec(text), seed=2).projections["out"].feedback_weight
    assert back is not None
    assert len(np.unique(np.abs(back))) <= 2


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "ternery",
            r"projections\.out\.weight_bits: unknown choice 'ternery'; did you mean 'ternary'\?",
        ),
        ("1", r"projections\.out\.weight_bits: 1 is no number of bits; write ternary, or 2 to 8"),
        ("9", r"projections\.out\.weight_bits: 9 is no number of bits; write ternary, or 2 to 8"),
        ("4.0", r"projections\.out\.weight_bits: 4\.0 is no number of bits; write ternary, or 2 to 8"),
    ],
)
def test_mistakes_are_told(value: str, message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        parse_spec(TEXT.replace("weight_bits: 4", f"weight_bits: {value}"))


def test_attention_is_refused() -> None:
    text = TEXT.replace("shape: [6]", "shape: [2, 3]").replace("shape: [5]", "shape: [2, 3]")
    text = text.replace("type: dense}, weight_bits: ternary", "type: attention}, weight_bits: ternary")
    with pytest.raises(TopologyError, match=r"projections\.up\.weight_bits: attention keeps its own norm"):
        parse_spec(text)
