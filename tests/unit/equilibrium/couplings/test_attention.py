"""Attention's currents and contrast are the derivatives of its energy; self attention leaves itself out."""

from typing import Any

import numpy as np
import pytest
import torch

from mep_neuro.equilibrium.couplings.attention import AttentionCoupling
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.response import Response
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec

ROUNDING = 1e-13  # sums of some tens of products of numbers near 1
B = 0.7


def model(pre: str, gain: float = 1.0, **connector: Any) -> EquilibriumNetwork:
    """5 tokens of width 6, with an energy weight of 2, attend to `pre`: 4 keys of width 3, or themselves."""
    attention = {"type": "attention", "heads": 2, "key_width": 4, "inverse_temperature": B, **connector}
    pointwise = {"type": "pointwise"}
    mapping = {
        "name": "checked",
        "neurons": {"unit": {"activation": "tanh"}},
        "populations": {
            "input": {"shape": [4, 3], "role": "input"},
            "keys": {"shape": [4, 3], "neuron": "unit"},
            "tokens": {"shape": [5, 6], "neuron": "unit"},
            "after": {"shape": [5, 2], "neuron": "unit"},
            "output": {"shape": [5, 2], "role": "output", "activation": "softmax"},
        },
        "projections": {
            "embed": {"pre": "input", "post": "keys", "connector": pointwise},
            "joined": {
                "pre": "keys",
                "post": "tokens",
                "connector": {"type": "dense"},
                "feedback_gain": gain,
            },
            "attention": {"pre": pre, "post": "tokens", "connector": attention, "feedback_gain": gain},
            "on": {"pre": "tokens", "post": "after", "connector": pointwise, "feedback_gain": 0.5},
            "read": {"pre": "after", "post": "output", "connector": pointwise},
        },
        "equilibrium": {"nudge": {"cost": "cross_entropy"}},
    }
    return EquilibriumNetwork(build(read_spec(mapping), 1), torch.float64)


def states(made: EquilibriumNetwork, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Random states of the two ends, of 3 samples."""
    attention = made.attentions["attention"]
    generator = torch.Generator().manual_seed(seed)
    sizes = [made.network.populations[name].size for name in (attention.pre, attention.post)]
    pre, post = (torch.randn(3, n, generator=generator, dtype=torch.float64) for n in sizes)
    return (post, post) if attention.within else (pre, post)


def plain_energy(attention: AttentionCoupling, pre: np.ndarray, post: np.ndarray) -> float:
    """E of one sample, by loops, with k of the post population 1."""
    total = 0.0
    w_q, w_k = attention.query_weight.numpy(), attention.key_weight.numpy()
    for head in range(2):
        rows = slice(4 * head, 4 * head + 4)
        for c, token in enumerate(post):
            others = [key for b, key in enumerate(pre) if not attention.within or b != c]
            total -= np.log(sum(np.exp(B * (w_q[rows] @ token) @ (w_k[rows] @ key)) for key in others)) / B
    return float(total)


@pytest.mark.parametrize("pre", ["input", "keys", "tokens"])
def test_the_energy_is_that_of_plain_loops(pre: str) -> None:
    made = model(pre)
    attention = made.attentions["attention"]
    before, after = states(made)
    shapes = [made.network.populations[name].shape for name in (attention.pre, attention.post)]
    for sample in range(3):
        ends = (x[sample].numpy().reshape(shape) for x, shape in zip((before, after), shapes, strict=True))
        energy = 2.0 * plain_energy(attention, *ends)
        assert float(attention.energy(before, after)[sample]) == pytest.approx(energy)


@pytest.mark.parametrize("gain", [1.0, 0.4])
def test_the_currents_are_minus_the_slopes_of_the_energy(gain: float) -> None:
    made = model("keys", gain)
    attention = made.attentions["attention"]
    before, after = (x.requires_grad_(True) for x in states(made))
    slopes = torch.autograd.grad(attention.energy(before, after).sum(), [before, after])
    weights = [made.network.populations[name].k[0] for name in ("keys", "tokens")]
    assert weights[1] == pytest.approx(gain * weights[0])
    currents = attention.current_into_pre(before, after), attention.current_into_post(before, after)
    for current, slope, k in zip(currents, slopes, weights, strict=True):
        assert float((k * current + slope).abs().max()) < ROUNDING
    from_keys = attention.current_from_keys(attention.keys(before), after)
    assert torch.equal(from_keys, currents[1])


def test_the_current_of_self_attention_is_minus_the_slope_of_the_energy() -> None:
    made = model("tokens")
    attention = made.attentions["attention"]
    state = states(made)[1].requires_grad_(True)
    (slope,) = torch.autograd.grad(attention.energy(state, state).sum(), [state])
    assert float((2.0 * attention.current_within(state) + slope).abs().max()) < ROUNDING


def test_no_token_attends_to_itself() -> None:
    within, across = (model(pre).attentions["attention"] for pre in ("tokens", "keys"))
    state = states(model("tokens"))[1]
    own = within.attended(within.queries(state), within.keys(state)).diagonal(dim1=-2, dim2=-1)
    assert torch.equal(own, torch.zeros_like(own))
    keys = states(model("keys"))[0]
    attended = across.attended(across.queries(state), across.keys(keys))
    assert bool((attended > 0).all())
    assert float((attended.sum(-1) - 1).abs().max()) < ROUNDING


@pytest.mark.parametrize("pre", ["input", "keys", "tokens"])
def test_the_contrast_is_the_difference_of_the_slopes_of_the_energy(pre: str) -> None:
    made = model(pre, gain=1.0 if pre == "tokens" else 0.4)
    attention = made.attentions["attention"]
    plus, minus = states(made, 1), states(made, 2)
    if pre == "input":
        minus = (plus[0], minus[1])
    span = torch.tensor([[0.1], [0.2], [0.3]], dtype=torch.float64)
    weight = attention.weight.detach().requires_grad_(True)
    attention.weight = weight  # type: ignore[assignment]  # a leaf for autograd
    difference = (attention.energy(*plus) - attention.energy(*minus)) / span.squeeze(1)
    (wanted,) = torch.autograd.grad(-difference.sum(), [weight])
    ends = [Response((p + m) / 2, (p - m) / span) for p, m in zip(plus, minus, strict=True)]
    if pre == "input":
        ends[0] = Response(plus[0], None)
    got = attention.phase_contrast(ends[0], ends[1], span, factor=0.5)
    assert float((got - 0.5 * wanted).abs().max()) < 100 * ROUNDING  # divided by a span of 0.1


def test_the_bound_scales_each_matrix_down_to_its_norm() -> None:
    attention = model("tokens", spectral_norm=1.0).attentions["attention"]
    attention.query_weight.mul_(5.0)
    attention.key_weight.mul_(0.1)
    key = attention.key_weight.clone()
    direction = attention.query_weight / attention.query_weight.norm()
    attention.bound()
    assert float(torch.linalg.matrix_norm(attention.query_weight, 2)) == pytest.approx(1.0)
    assert torch.allclose(attention.query_weight / attention.query_weight.norm(), direction)
    assert torch.equal(attention.key_weight, key)


def test_without_a_spectral_norm_nothing_is_bounded() -> None:
    attention = model("tokens").attentions["attention"]
    attention.weight.mul_(10.0)
    before = attention.weight.clone()
    attention.bound()
    assert torch.equal(attention.weight, before)
