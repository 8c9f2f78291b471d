"""Training: what is shown when, the schedule, the metrics, and that every optimizer learns."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.load import load
from mep_neuro.equilibrium.learning import trainer as module
from mep_neuro.equilibrium.learning.moment import Moment
from mep_neuro.equilibrium.learning.trainer import Step, Trainer, equilibrium_propagation, predict
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase
from mep_neuro.errors import SettleError
from mep_neuro.topology.reader import read_spec

DATA = load_data("digits")


class Shown:
    """Equilibrium Propagation that keeps what it was shown."""

    def __init__(self) -> None:
        self.batches: list[torch.Tensor] = []
        self.targets: list[torch.Tensor] = []

    def __call__(self, model: EquilibriumNetwork, features: torch.Tensor, target: torch.Tensor) -> Step:
        self.batches.append(features.clone())
        self.targets.append(target.clone())
        return equilibrium_propagation(model, features, target)


def changed(learning: dict[str, Any], consolidation: dict[str, Any] | None = None) -> EquilibriumNetwork:
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["learning"] |= learning
    mapping["consolidation"] |= consolidation or {}
    return load(mapping)


def run(trainer: Trainer) -> list[dict[str, float]]:
    trainer.prepare()
    records = []
    while not trainer.finished:
        record = trainer.advance()
        if record is not None:
            records.append(record)
    return records


def test_every_sample_is_shown_once_an_epoch_with_its_own_label() -> None:
    features, labels = np.zeros((10, 64)), np.arange(10)
    features[:, 0] = np.arange(10) / 10
    shown = Shown()
    trainer = Trainer(changed({"batch_size": 4}), features, labels, epochs=2, gradient=shown)
    assert trainer.updates_per_epoch == 3
    run(trainer)
    assert [len(batch) for batch in shown.batches] == [4, 4, 2] * 2
    epochs = [torch.cat(shown.batches[at : at + 3])[:, 0] for at in (0, 3)]
    for epoch in epochs:
        assert torch.equal(epoch.sort().values, torch.arange(10) / 10)
    assert not torch.equal(*epochs)  # in another order
    for batch, target in zip(shown.batches, shown.targets, strict=True):
        assert torch.equal(target.argmax(1), (batch[:, 0] * 10).round().long())
        assert torch.equal(target.sum(1), torch.ones(len(target)))


def test_the_order_is_that_of_the_data_seed() -> None:
    def order(**seed: int) -> torch.Tensor:
        shown = Shown()
        model = changed({"batch_size": 5})
        run(Trainer(model, DATA.x_train[:10], DATA.y_train[:10], epochs=1, gradient=shown, **seed))
        return torch.cat(shown.batches)

    assert torch.equal(order(), order(seed=1))  # the file's
    assert torch.equal(order(seed=5), order(seed=5))
    assert not torch.equal(order(seed=5), order(seed=6))


@pytest.mark.parametrize(
    ("schedule", "factors"), [("constant", [1, 1, 1, 1]), ("linear", [1, 0.75, 0.5, 0.25])]
)
def test_the_schedule(schedule: str, factors: list[float]) -> None:
    """Steps of plain SGD on the same contrast are in the ratio of the learning rates."""

    def same(model: EquilibriumNetwork, features: torch.Tensor, target: torch.Tensor) -> Step:
        step = equilibrium_propagation(model, features, target)
        return replace(step, contrast={name: torch.ones_like(c) for name, c in step.contrast.items()})

    model = changed({"schedule": schedule, "momentum": 0.0, "lr": 0.01}, {"method": "none"})
    trainer = Trainer(model, DATA.x_train[:128], DATA.y_train[:128], epochs=2, gradient=same)
    trainer.prepare()
    for factor in factors:
        before = model.arrays()["projections.input_hidden.weight"]
        trainer.advance()
        step = model.arrays()["projections.input_hidden.weight"] - before
        assert step == pytest.approx(0.01 * factor, abs=1e-6)
    assert trainer.finished


def test_the_metrics_of_an_epoch() -> None:
    model = changed({})
    trainer = Trainer(model, DATA.x_train[:100], DATA.y_train[:100], epochs=2)
    records = run(trainer)
    assert [record["epoch"] for record in records] == [1, 2]
    assert [record["update"] for record in records] == [2, 4]
    for record in records:
        assert set(record) == {
            *("epoch", "update", "train_accuracy", "train_cost", "settled", "residual"),
            *("free_steps", "nudged_steps", "radius"),
        }
        assert 0 <= record["train_accuracy"] <= 1
        assert round(record["train_accuracy"] * 100, 6) == int(round(record["train_accuracy"] * 100, 6))
        assert record["settled"] == 1.0
        assert 0 < record["residual"] <= 1e-4
        assert 1 <= record["free_steps"] <= 200
        assert record["radius"] <= 0.7
    assert records[1]["train_cost"] < records[0]["train_cost"]


def test_steps_that_did_not_settle_are_told() -> None:
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["equilibrium"] |= {"max_steps": 1, "tolerance": 1e-9}
    records = run(Trainer(load(mapping), DATA.x_train[:64], DATA.y_train[:64], epochs=1))
    assert records[0]["settled"] < 0.5


def of_fixed_steps(**equilibrium: object) -> Trainer:
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["equilibrium"] |= {"tolerance": 1e-5, **equilibrium}
    trainer = Trainer(load(mapping), DATA.x_train[:100], DATA.y_train[:100], epochs=2)
    trainer.prepare()
    return trainer


def test_an_epoch_of_fixed_steps_tells_where_its_last_batch_ended() -> None:
    trainer = of_fixed_steps(free_steps=3, nudged_steps=3)
    trainer.advance()
    rows = np.random.default_rng([trainer.model.spec.seeds.data, 0]).permutation(100)[64:]
    last = torch.tensor(DATA.x_train[:100][rows], dtype=torch.float32)
    by_hand = free_phase(trainer.model, last, tolerance=1e-30, max_steps=3).point.residual
    record = trainer.advance()
    assert record is not None
    assert record["residual"] == pytest.approx(float(by_hand.mean()), rel=1e-4)
    assert record["settled"] == 0.0
    enough = of_fixed_steps(free_steps=60, nudged_steps=60)
    assert [r["settled"] for r in run(enough)] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        (
            3,
            r"not settled: \d+ of 100 samples after 3 steps \(.*\); raise equilibrium\.free_steps or lower",
        ),
        (60, r"settled: residual \d\.\de[-+]\d\d after 60 steps \(tolerance 1e-05\)"),
    ],
)
def test_predictions_after_fixed_steps_tell_how_far_from_rest_they_are(steps: int, status: str) -> None:
    model = of_fixed_steps(free_steps=steps).model
    predicted, free = predict(model, DATA.x_test[:100])
    assert re.match(status, free.point.status)
    assert free_phase(model, DATA.x_test[:1]).point.status == f"not measured: {steps} steps, as the file says"
    again = free_phase(model, DATA.x_test[:100])  # looking changes nothing
    assert all(torch.equal(s, again.point.states[name]) for name, s in free.point.states.items())
    assert len(predicted) == 100


def test_looking_at_the_residual_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = of_fixed_steps(free_steps=3, nudged_steps=3)
    looked.advance()
    looked.advance()
    monkeypatch.setattr(module, "Moment", lambda update, share, told: Moment(update, share))
    without = of_fixed_steps(free_steps=3, nudged_steps=3)
    without.advance()
    with pytest.raises(ZeroDivisionError):  # nothing was measured
        without.advance()
    for name, array in without.model.arrays().items():
        assert np.array_equal(array, looked.model.arrays()[name]), name


@pytest.mark.parametrize("activation", ["relu", "linear"])
def test_fixed_steps_that_diverge_raise_while_all_is_finite(activation: str) -> None:
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["neurons"]["unit"]["activation"] = activation
    mapping["projections"]["hidden_output"]["weight"] = {"init": "constant", "gain": 3.0}
    mapping["consolidation"] = {}
    mapping["equilibrium"] |= {"free_steps": 5, "nudged_steps": 3}
    trainer = Trainer(load(mapping), DATA.x_train[:128], DATA.y_train[:128], epochs=2)
    before = trainer.model.arrays()
    with pytest.raises(SettleError, match=r"grows without bound at step 5 \(change \d.*; lower the weights"):
        trainer.advance()
    for name, array in trainer.model.arrays().items():
        assert np.array_equal(array, before[name]), name


@pytest.mark.parametrize(
    ("optimizer", "learning", "consolidation"),
    [
        ("sgd", {"lr": 0.1}, {"method": "none"}),
        ("adam", {"optimizer": "adam", "lr": 0.003}, {"method": "none"}),
        ("muon", {}, {}),
        ("muon, period 3", {}, {"period": "3 updates", "lr": 0.06}),
        ("dion", {}, {"method": "dion", "rank": 8, "lr": 0.03}),
    ],
)
def test_every_optimizer_learns_more_than_a_frozen_hidden_layer(
    optimizer: str, learning: dict[str, Any], consolidation: dict[str, Any]
) -> None:
    def accuracy(frozen: bool) -> float:
        mapping = read_spec("digits_mlp").to_mapping()
        mapping["learning"] |= learning
        mapping["consolidation"] |= consolidation
        mapping["projections"]["input_hidden"]["plastic"] = not frozen
        mapping["populations"]["hidden"]["plastic_bias"] = not frozen
        model = load(mapping)
        run(Trainer(model, DATA.x_train, DATA.y_train, epochs=4))
        return float((predict(model, DATA.x_test)[0] == DATA.y_test).mean())

    learned, frozen = accuracy(False), accuracy(True)
    assert learned >= 0.90
    assert learned >= frozen + 0.03


def test_the_input_is_centred_on_the_training_part() -> None:
    model = load("digits_cube")
    trainer = Trainer(model, DATA.x_train, DATA.y_train, epochs=1)
    trainer.prepare()
    rates, _ = model.drive(torch.as_tensor(DATA.x_train))
    assert float(rates.mean(0).abs().max()) < 1e-4
    pixels = DATA.x_train[:, 20]
    assert float(rates[:, 20].std(correction=0)) == pytest.approx(pixels.std() / 0.3, rel=1e-4)


def test_a_calibrated_readout_sees_standard_units() -> None:
    model = load("digits_cube")
    trainer = Trainer(model, DATA.x_train, DATA.y_train, epochs=1)
    trainer.prepare()
    states = free_phase(model, torch.as_tensor(DATA.x_train[:512])).point.states["cube"]
    face = model.network.projections["face_output"].pre_units
    seen = model.seen("face_output", states)[:, face]
    assert float(seen.mean(0).abs().max()) < 1e-3
    assert float(seen.square().mean().sqrt()) == pytest.approx(1.0, rel=1e-3)
    gain = model.readout_gain["face_output"]
    trainer.advance()
    assert model.readout_gain["face_output"] == gain  # measured once, then fixed
