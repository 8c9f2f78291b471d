"""Continual learning: the shares of the half-sweeps add up to the contrast, and the weights move under it."""

from typing import Any

import numpy as np
import pytest
import torch

from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.load import load
from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.learning import continual
from mep_neuro.equilibrium.learning.continual import learn_continually
from mep_neuro.equilibrium.learning.learner import Learner
from mep_neuro.equilibrium.learning.trainer import Trainer, predict
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase, nudged_phase
from mep_neuro.errors import SettleError, TopologyError
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import parse_spec, read_spec

TEXT = """\
name: net
neurons:
  unit: {activation: tanh}
populations:
  input: {shape: [8], role: input}
  first: {shape: [7], neuron: unit}
  second: {shape: [6], neuron: unit}
  output: {shape: [3], role: output, neuron: unit}
projections:
  up: {pre: input, post: first, connector: {type: dense}, weight: {gain: 0.3}}
  on: {pre: first, post: second, connector: {type: dense}, feedback_gain: 0.5, weight: {gain: 0.4}}
  out: {pre: second, post: output, connector: {type: dense}, weight: {gain: 0.4}}
equilibrium: {tolerance: 1.0e-12, max_steps: 2000, nudge: {beta: 0.2, phases: one_sided}}
learning: {mode: continual, optimizer: sgd, momentum: 0.0, lr: 1.0e-6}
"""
SOFT = [
    ("role: output, neuron: unit", "role: output, activation: softmax"),
    ("{beta", "{cost: cross_entropy, beta"),
]
DATA = load_data("digits")


def edited(*edits: tuple[str, str]) -> str:
    text = TEXT
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def model_of(text: str) -> EquilibriumNetwork:
    return EquilibriumNetwork(build(parse_spec(text), seed=2), torch.float64)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    features = torch.from_numpy(np.random.default_rng(0).uniform(0.0, 1.0, (5, 8)))
    return features, torch.eye(3, dtype=torch.float64)[torch.arange(5) % 3]


def distance(rate: float, edits: list[tuple[str, str]]) -> float:
    """Between what moved over the learning rate and the one-sided contrast, relative."""
    model = model_of(edited(("lr: 1.0e-6", f"lr: {rate!r}"), *edits))
    features, target = batch()
    free = free_phase(model, features)
    wanted = {n: v.numpy() for n, v in contrast(model, free, nudged_phase(model, free, target)).items()}
    before = model.arrays()
    learn_continually(Learner(model), model, features, target)
    after = model.arrays()
    moved = {name: (after[name] - before[name]) / rate for name in wanted}
    a, b = (np.concatenate([v[n].ravel() for n in sorted(wanted)]) for v in (moved, wanted))
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


@pytest.mark.parametrize("edits", [[], SOFT], ids=["settling output", "softmax read-out"])
def test_the_shares_add_up_to_the_contrast_as_the_rate_falls(edits: list[tuple[str, str]]) -> None:
    rates = [1e-3, 1e-4, 1e-5]
    found = [distance(rate, edits) for rate in rates]
    assert found[-1] < 1e-3
    assert np.polyfit(np.log(rates), np.log(found), 1)[0] == pytest.approx(1.0, abs=0.1)


def test_the_weights_do_move_while_it_settles() -> None:
    """At a rate where it matters, the outcome is not that of one update after the phases."""
    assert distance(0.01, []) > 0.1


def test_more_than_one_share_is_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def counted(self: Learner, found: Any, factor: float = 1.0) -> None:
        sizes.append(float(found["projections.up.weight"].norm()))
        move(self, found, factor)

    move = Learner.move
    monkeypatch.setattr(continual.Learner, "move", counted)
    distance(1e-3, [])
    assert len(sizes) > 4
    assert sizes[0] > 0
    assert sizes[-1] < 1e-6 * max(sizes)


def test_a_fixed_number_of_half_sweeps() -> None:
    model = model_of(edited(("max_steps: 2000", "max_steps: 2000, nudged_steps: 3")))
    _, nudged = learn_continually(Learner(model), model, *batch())
    assert nudged.point.steps.tolist() == [3] * 5


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        ("1.0e+300", "the contrast is not finite|is not finite at step"),
        ("1.0e+3", "grows without bound|the weights run away"),
    ],
)
def test_divergence_leaves_the_weights(rate: str, message: str) -> None:
    model = model_of(edited(("lr: 1.0e-6", f"lr: {rate}"), ("activation: tanh", "activation: relu")))
    before = model.arrays()
    learner = Learner(model)
    with pytest.raises(SettleError, match=message):
        learn_continually(learner, model, *batch())
    assert all(np.array_equal(value, before[name]) for name, value in model.arrays().items())
    assert learner.updates == 0


def digits(rate: float) -> EquilibriumNetwork:
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["equilibrium"]["nudge"] |= {"phases": "one_sided", "beta": 1.0}
    mapping["learning"] |= {"mode": "continual", "optimizer": "sgd", "momentum": 0.0, "lr": rate}
    mapping["learning"] |= {"batch_size": 16}
    mapping["consolidation"] = {"spectral_bound": 0.7}
    return load(mapping)


def test_a_runaway_is_seen_where_it_settles_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unseen it ends in rest: every unit at an end of its range, and accuracy that of chance."""

    def trained(model: EquilibriumNetwork) -> dict[str, float]:
        trainer = Trainer(model, DATA.x_train[:320], DATA.y_train[:320], epochs=1)
        trainer.prepare()
        while True:
            record = trainer.advance()
            if record is not None:
                return record

    model = digits(0.1)
    with pytest.raises(SettleError, match=r"the weights run away .*; lower learning\.lr, raise nudge\.beta"):
        trained(model)
    assert trained(digits(0.02))["train_accuracy"] > 0.15
    monkeypatch.setattr(continual, "GROWN", float("inf"))
    record = trained(model)
    assert record["settled"] > 0.7
    assert float((predict(model, DATA.x_test)[0] == DATA.y_test).mean()) < 0.15


def test_digits_are_learned_under_the_bound() -> None:
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["equilibrium"]["nudge"] |= {"phases": "random_sign", "beta": 1.0}
    mapping["learning"] |= {"mode": "continual", "optimizer": "sgd", "momentum": 0.0, "lr": 0.03}
    mapping["learning"] |= {"batch_size": 16}
    mapping["consolidation"] |= {"method": "none", "spectral_bound": 0.7}
    model = load(mapping)
    trainer = Trainer(model, DATA.x_train, DATA.y_train, epochs=8)
    trainer.prepare()
    while not trainer.finished:
        record = trainer.advance()
    assert float((predict(model, DATA.x_test)[0] == DATA.y_test).mean()) > 0.85
    assert record is not None
    assert record["settled"] == 1.0
    assert record["radius"] <= 0.71


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("momentum: 0.0", "momentum: 0.5", r"learning\.mode: continual: weights that change at once keep no"),
        ("optimizer: sgd", "optimizer: adam", r"learning\.mode: continual: weights that change at once keep"),
        (
            "phases: one_sided",
            "phases: centered",
            r"continual learning follows one nudged phase, and centered",
        ),
        ("beta: 0.2", "beta: auto", r"nudge\.beta: continual learning has no phase before to measure"),
        ("{tolerance", "{solver: lean, tolerance", r"solver: continual learning moves weights after half-sw"),
        (
            "lr: 1.0e-6}",
            "lr: 1.0e-6}\nconsolidation: {method: muon}",
            r"no sum of contrasts to orthogonalise",
        ),
        ("continual", "contnual", r"learning\.mode: unknown choice 'contnual'; did you mean 'continual'\?"),
    ],
)
def test_mistakes_are_told(old: str, new: str, message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        parse_spec(edited((old, new)))
