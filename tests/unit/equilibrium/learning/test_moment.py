"""What is drawn for a batch depends on seeds.noise and its update alone: training resumes bit for bit."""

from typing import Any

import numpy as np
import pytest

from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.load import load
from mep_neuro.equilibrium.learning.moment import Moment, sign_of, training_at
from mep_neuro.equilibrium.learning.trainer import Trainer
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.topology.reader import read_spec

DATA = load_data("digits")
SETTINGS: dict[str, dict[str, Any]] = {
    "random_sign": {"equilibrium": {"nudge": {"phases": "random_sign"}}},
    "dropout": {"populations": {"hidden": {"dropout": 0.25}}},
    "continual": {
        "equilibrium": {"nudge": {"phases": "random_sign"}},
        "learning": {"mode": "continual", "optimizer": "sgd", "momentum": 0.0, "lr": 0.01},
        "consolidation": {"method": "none"},
    },
    "schedule": {"equilibrium": {"nudge": {"schedule": "linear"}}},
    "auto": {"equilibrium": {"nudge": {"beta": "auto", "max_current": None}}},
    "ternary": {"projections": {"input_hidden": {"weight_bits": "ternary"}}},
}


def net(changes: dict[str, Any]) -> EquilibriumNetwork:
    return load(merged(read_spec("digits_mlp").to_mapping(), changes))


def merged(mapping: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    both = {k: merged(mapping.get(k, {}), v) if isinstance(v, dict) else v for k, v in changes.items()}
    return mapping | both


def trainer_of(changes: dict[str, Any]) -> Trainer:
    return Trainer(net(changes), DATA.x_train[:320], DATA.y_train[:320], epochs=2)


def weights_of(trainer: Trainer, updates: int) -> dict[str, Any]:
    for _ in range(updates):
        trainer.advance()
    return trainer.model.arrays()


@pytest.mark.parametrize("name", SETTINGS)
def test_resumed_training_is_bit_for_bit_the_same(name: str) -> None:
    whole = trainer_of(SETTINGS[name])
    whole.prepare()
    begun = weights_of(whole, 3)
    state = whole.state()
    wanted = weights_of(whole, 4)
    resumed = trainer_of(SETTINGS[name])
    resumed.model.load_arrays(begun)
    resumed.load_state(3, state)
    got = weights_of(resumed, 4)
    assert all(np.array_equal(got[key], wanted[key]) for key in wanted)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_setting_changes_what_is_learned(name: str) -> None:
    plain, other = trainer_of({}), trainer_of(SETTINGS[name])
    for trainer in (plain, other):
        trainer.prepare()
    key = "projections.input_hidden.weight"
    assert not np.array_equal(weights_of(plain, 3)[key], weights_of(other, 3)[key])


@pytest.mark.parametrize("name", ["random_sign", "dropout"])
def test_draws_are_those_of_seeds_noise(name: str) -> None:
    def learned(noise: int) -> Any:
        trainer = trainer_of({**SETTINGS[name], "seeds": {"noise": noise}})
        trainer.prepare()
        return weights_of(trainer, 5)["projections.input_hidden.weight"]

    assert np.array_equal(learned(2), learned(2))
    assert not np.array_equal(learned(2), learned(3))


def test_both_signs_are_drawn_as_often() -> None:
    model = net({})
    signs = []
    for update in range(400):
        with training_at(model, Moment(update)):
            signs.append(sign_of(model))
            assert sign_of(model) == signs[-1]  # asking twice draws the same
    assert set(signs) == {-1.0, 1.0}
    assert abs(sum(signs)) < 80  # 4 standard deviations of 400 fair signs


def test_no_moment_is_left_behind() -> None:
    model = net({})
    with pytest.raises(KeyError), training_at(model, Moment(1)):
        raise KeyError("within")
    assert model.moment is None
