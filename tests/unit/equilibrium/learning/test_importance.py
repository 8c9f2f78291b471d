"""Importance: the mean squared contrast of single samples, and the pull back that it gives."""

from typing import Any

import numpy as np
import pytest
import torch

from mep_neuro.backends.data.load import load_data
from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.learning.importance import EarlierTasks, importance, squared_contrasts
from mep_neuro.equilibrium.learning.trainer import Trainer, one_hot
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase, nudged_phase
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec

DATA = load_data("digits")

CHAIN: dict[str, Any] = {
    "name": "chain",
    "neurons": {"unit": {"activation": "tanh"}},
    "populations": {
        "input": {"shape": [1, 8, 8], "role": "input"},
        "image": {"shape": [2, 4, 4], "neuron": "unit", "bias": 0.1},
        "inner": {"shape": [12], "neuron": "unit"},
        "ring": {"shape": [2, 2, 3], "neuron": "unit", "bias": -0.1},
        "output": {"shape": [10], "role": "output", "neuron": "unit"},
    },
    "projections": {
        "conv": {
            "pre": "input",
            "post": "image",
            "connector": {"type": "conv2d", "kernel": 3, "padding": 1, "pool": 2},
        },
        "dense": {"pre": "image", "post": "inner", "connector": {"type": "dense"}, "feedback_gain": 0.5},
        "sparse": {
            "pre": "inner",
            "post": "ring",
            "connector": {"type": "sparse", "probability": 0.5},
            "feedback_gain": 0.5,
        },
        "around": {"pre": "ring", "post": "ring", "connector": {"type": "lattice", "neighbours": 6}},
        "out": {"pre": "ring", "post": "output", "connector": {"type": "dense"}},
    },
    "equilibrium": {"tolerance": 1e-8, "max_steps": 500, "nudge": {"beta": 0.1}},
    "consolidation": {"spectral_bound": 0.6},
}


def chain(**sections: Any) -> EquilibriumNetwork:
    return EquilibriumNetwork(build(read_spec(CHAIN | sections)), dtype=torch.float64)


SOFTMAX = {
    "populations": CHAIN["populations"]
    | {"output": {"shape": [10], "role": "output", "activation": "softmax"}},
    "equilibrium": CHAIN["equilibrium"] | {"nudge": {"beta": 0.1, "cost": "cross_entropy"}},
}


def sequence(pre: str) -> dict[str, Any]:
    """Eight positions of eight features; the last axis is shared by pointwise projections."""
    pointwise, narrow = {"connector": {"type": "pointwise"}}, {"heads": 2, "key_width": 4}
    return {
        "populations": {
            "input": {"shape": [8, 8], "role": "input"},
            "tokens": {"shape": [8, 6], "neuron": "unit"},
            "output": {"shape": [10], "role": "output", "activation": "softmax"},
        },
        "projections": {
            "embed": {"pre": "input", "post": "tokens", **pointwise},
            "attend": {"pre": pre, "post": "tokens", "connector": {"type": "attention", **narrow}},
            "out": {"pre": "tokens", "post": "output", "connector": {"type": "dense"}},
        },
        "equilibrium": SOFTMAX["equilibrium"],
        "consolidation": {},
    }


SECTIONS = {"squared_error": {}, "softmax": SOFTMAX, "cross": sequence("input"), "self": sequence("tokens")}


@pytest.mark.parametrize("sections", SECTIONS.values(), ids=SECTIONS)
def test_squares_are_those_of_single_samples(sections: dict[str, Any]) -> None:
    """Of every connector: the batch's sum equals the sum over batches of one, squared after."""
    model = chain(**sections)
    features = torch.tensor(DATA.x_train[:3])
    target = one_hot(model, torch.tensor(DATA.y_train[:3]))
    free = free_phase(model, features)
    together = squared_contrasts(model, free, nudged_phase(model, free, target))
    alone: dict[str, torch.Tensor] = {}
    for row in range(3):
        free = free_phase(model, features[row : row + 1])
        single = contrast(model, free, nudged_phase(model, free, target[row : row + 1]))
        for key in single:
            alone[key] = alone.get(key, torch.zeros_like(single[key])) + single[key].square()
    assert together.keys() == alone.keys()
    for key, squares in alone.items():
        # Both settle to 1e-8; the squares are up to 0.1.
        torch.testing.assert_close(together[key], squares, rtol=1e-5, atol=1e-8)
        assert squares.max() > 1e-8, key
        assert together[key].min() >= 0


def test_importance_is_the_fisher_information_of_a_softmax() -> None:
    """Of a read-out's bias it is known: the mean of p (1 - p), for targets drawn from p."""
    model = chain(**SOFTMAX)
    features = torch.tensor(DATA.x_train[:400])
    output = model.readout(free_phase(model, features).point.states)
    expected = (output * (1 - output)).mean(0)
    found = importance(model, features, update=3)["populations.output.bias"]
    # 400 draws of a variable in [0, 1]: a standard error of at most 0.025.
    torch.testing.assert_close(found, expected, rtol=0, atol=0.08)
    certain = one_hot(model, torch.tensor(DATA.y_train[:400]))
    assert (expected - (output - certain).square().mean(0)).abs().max() > 1e-3  # as targets


def test_importance_of_an_update_is_drawn_once() -> None:
    model, features = chain(), torch.tensor(DATA.x_train[:8])
    first, again, later = (importance(model, features, update) for update in (3, 3, 4))
    for key, value in first.items():
        assert torch.equal(value, again[key])
    assert not torch.equal(first["projections.out.weight"], later["projections.out.weight"])


def test_the_pull_is_proximal() -> None:
    """It ends at the minimum of (w' - w)^2 / 2 + rate strength F (w' - w*)^2 / 2, however strong it is."""
    w = torch.nn.Parameter(torch.tensor([3.0, 3.0, 3.0], dtype=torch.float64), requires_grad=False)
    earlier = EarlierTasks({"w": w}, strength=5.0)
    earlier.pull({"w": 0.1})
    assert w.tolist() == [3.0] * 3  # no task was closed
    w.fill_(1.0)
    earlier.close({"w": torch.tensor([0.0, 2.0, 1e30], dtype=torch.float64)})
    w.fill_(3.0)
    earlier.pull({"w": 0.1})
    # c = rate strength F = 0, 1, 5e29: w - c / (1 + c) (w - w*)
    np.testing.assert_allclose(w.numpy(), [3.0, 2.0, 1.0], rtol=1e-12)


def test_importances_of_several_tasks_add_up() -> None:
    w = torch.nn.Parameter(torch.zeros(2), requires_grad=False)
    earlier = EarlierTasks({"w": w}, strength=1.0)
    for value in (1.0, 2.0):
        w.fill_(value)
        earlier.close({"w": torch.tensor([1.0, 10.0])})
    assert earlier.importance["w"].tolist() == [2.0, 20.0]
    assert earlier.anchor["w"].tolist() == [2.0, 2.0]
    other = EarlierTasks({"w": w}, strength=1.0)
    other.load_state(earlier.state())
    assert other.closed == 2
    assert torch.equal(other.importance["w"], earlier.importance["w"])


def learned(consolidation: dict[str, Any], learning: dict[str, Any] | None = None) -> torch.Tensor:
    """The hidden weights after two tasks, digits and digits upside down."""
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["learning"] |= {"epochs": 1} | (learning or {})
    mapping["consolidation"] = consolidation
    model = EquilibriumNetwork(build(read_spec(mapping)))
    state = None
    for features in (DATA.x_train[:300], DATA.x_train[:300, ::-1].copy()):
        trainer = Trainer(model, features, DATA.y_train[:300], epochs=1)
        if state is None:
            trainer.prepare()
        else:
            trainer.go_on_after(state)
        while not trainer.finished:
            trainer.advance()
        trainer.close_task()
        state = trainer.state()
    return model.weights["input_hidden"].detach().clone()


@pytest.mark.parametrize(
    ("consolidation", "learning"),
    [
        ({"spectral_bound": 0.7}, {}),
        ({"spectral_bound": 0.7}, {"optimizer": "adam", "lr": 0.01}),
        ({"spectral_bound": 0.7, "method": "dion", "period": "2 updates"}, {}),
    ],
    ids=["sgd", "adam", "dion"],
)
def test_strength_has_an_effect_and_strength_0_has_none(
    consolidation: dict[str, Any], learning: dict[str, Any]
) -> None:
    naive = learned(consolidation, learning)
    for strength, same in ((0.0, True), (100.0, False), (1e4, False)):
        importance = {"strength": strength, "samples": 100}
        found = learned(consolidation | {"importance": importance}, learning)
        assert torch.equal(found, naive) == same, strength


def test_the_carried_error_has_an_effect_and_0_has_none() -> None:
    dion = {"method": "dion", "rank": 2}
    fresh = learned(dion)
    assert torch.equal(learned(dion | {"carry_error": 0.0}), fresh)
    half, whole = learned(dion | {"carry_error": 0.5}), learned(dion | {"carry_error": 1.0})
    assert not torch.equal(half, fresh)
    assert not torch.equal(whole, half)


def test_a_state_without_importances_is_refused() -> None:
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["consolidation"]["importance"] = {}
    trainer = Trainer(
        EquilibriumNetwork(build(read_spec(mapping))), DATA.x_train[:64], DATA.y_train[:64], epochs=1
    )
    with pytest.raises(ValueError, match="no importances were measured"):
        trainer.go_on_after({})


def test_an_error_of_another_rank_is_refused() -> None:
    def trainer(rank: int) -> Trainer:
        mapping = read_spec("digits_mlp").to_mapping()
        mapping["consolidation"] = {"method": "dion", "rank": rank, "carry_error": 1.0}
        model = EquilibriumNetwork(build(read_spec(mapping)))
        return Trainer(model, DATA.x_train[:64], DATA.y_train[:64], epochs=1)

    first = trainer(2)
    first.prepare()
    first.advance()
    with pytest.raises(ValueError, match=r"dion's basis: shape \(64, 2\), this network's is \(64, 3\)"):
        trainer(3).go_on_after(first.state())
    with pytest.raises(ValueError, match="dion's momentum_buffer: shape missing"):
        trainer(2).go_on_after({})
    trainer(2).go_on_after(first.state())
