"""Sequences, a class at each position, from arrays or a file to a RUN and to other back ends."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

import mep_neuro as mep
from mep_neuro.cli.main import app
from mep_neuro.errors import DataError, UnsupportedError
from mep_neuro.simulation.readout import classes, with_readout

POSITIONS, TOKENS = 4, 6
NETWORK: dict[str, Any] = {
    "schema": "mep-neuro/1",
    "name": "tokens",
    "neurons": {"unit": {"activation": "tanh"}},
    "populations": {
        "input": {"shape": [POSITIONS, TOKENS], "role": "input"},
        "tokens": {"shape": [POSITIONS, 8], "neuron": "unit"},
        "output": {"shape": [POSITIONS, TOKENS], "role": "output", "activation": "softmax"},
    },
    "projections": {
        "embed": {"pre": "input", "post": "tokens", "connector": {"type": "pointwise"}},
        "read": {"pre": "tokens", "post": "output", "connector": {"type": "pointwise"}},
    },
    "equilibrium": {"nudge": {"beta": 0.1, "cost": "cross_entropy"}},
    "learning": {"optimizer": "adam", "lr": 0.03, "batch_size": 20, "epochs": 10},
}


def arrays() -> dict[str, NDArray[Any]]:
    """At each position another token is to be named: the next one."""
    rng, made = np.random.default_rng(0), {}
    for part, samples in (("train", 100), ("test", 30)):
        tokens = rng.integers(0, TOKENS, (samples, POSITIONS))
        made[f"x_{part}"] = np.eye(TOKENS)[tokens].reshape(samples, -1)
        made[f"y_{part}"] = (tokens + 1) % TOKENS
    return made


def test_a_network_learns_sequences_and_its_accuracy_is_that_of_positions() -> None:
    net, data = mep.load(NETWORK), arrays()
    before = mep.train(net, data, epochs=0).held_out
    assert before.samples == 30 * POSITIONS
    assert before.value < 0.7
    training = mep.train(net, data)
    assert training.held_out.value == 1.0
    network = net.to_network()
    states = mep.free_phase(net, data["x_test"]).point.states
    rates = with_readout(network, {name: state.numpy().astype(float) for name, state in states.items()})
    assert np.array_equal(classes(network, rates), data["y_test"])


def test_positions_in_another_order_are_wrong() -> None:
    """The control: the same classes, each one position on."""
    data = arrays()
    moved = data | {"y_test": np.roll(data["y_test"], 1, axis=1)}
    assert mep.train(mep.load(NETWORK), moved).held_out.value < 0.6


def test_the_commands_take_them(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", **arrays())
    (tmp_path / "net.yaml").write_text(json.dumps(NETWORK))
    data, run = str(tmp_path / "d.npz"), str(tmp_path / "run")
    call = CliRunner().invoke
    done = call(app, ["train", str(tmp_path / "net.yaml"), "--data", data, "--out", run, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["samples"] == 30 * POSITIONS
    again = call(app, ["evaluate", run, "--json"])
    assert json.loads(again.stdout)["accuracy"] == json.loads(done.stdout)["accuracy"] == 1.0
    report = str(tmp_path / "r.html")
    words = ["compare", run, "--on", "torch,brian2", "--samples", "5", "--report", report, "--json"]
    compared = call(app, words)
    assert compared.exit_code == 0, compared.output
    assert "20 positions of all samples lie on the diagonal" in Path(report).read_text()
    too_many = call(app, ["run", run, "--on", "torch", "--samples", "31"])
    assert "31 exceed the 30 held-out samples" in too_many.output


def test_labels_that_do_not_fit_the_output_are_refused() -> None:
    net, data = mep.load(NETWORK), arrays()
    single = {**data, "y_train": data["y_train"][:, 0], "y_test": data["y_test"][:, 0]}
    with pytest.raises(
        DataError, match=r"^arrays: y_train: shape \(100,\); give \(samples, 4\), a class num"
    ):
        mep.train(net, single)
    short = {**data, "y_train": data["y_train"][:, :2], "y_test": data["y_test"][:, :2]}
    with pytest.raises(DataError, match=r"shape \(100, 2\); give \(samples, 4\)"):
        mep.train(net, short)
    hot = {"x_train": np.eye(64), "y_train": np.eye(64, 10), "x_test": np.eye(64), "y_test": np.eye(64, 10)}
    with pytest.raises(DataError, match=r"give \(samples,\), one class number per sample, not one-hot rows"):
        mep.train(mep.load("digits_mlp"), hot)
    with pytest.raises(UnsupportedError, match="sequences are learned in torch; leave out on='brian2'"):
        mep.train(net, data, on="brian2")
    with pytest.raises(UnsupportedError, match=r"train: epochs -1; give a number >= 0"):
        mep.train(net, data, epochs=-1)


def test_arrays_that_are_missing_are_named() -> None:
    with pytest.raises(DataError, match=r"arrays: no array 'x_test' \(there are: x_train, y_train\); add it"):
        mep.load_data({"x_train": [[0.0], [1.0]], "y_train": [0, 1]})
    with pytest.raises(DataError, match="arrays: y_test: a single value; give an array"):
        mep.load_data({"x_train": [[0.0], [1.0]], "y_train": [0, 1], "x_test": [[0.0]], "y_test": 0})
