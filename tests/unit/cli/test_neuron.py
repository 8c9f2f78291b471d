"""`--neuron NAME`: the same file, trained or run with spikes."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import mep_neuro as mep
from mep_neuro.backends.run_folder import RunFolder
from mep_neuro.cli.main import app


def call(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def printed(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    value: dict[str, Any] = json.loads(result.stdout)
    return value


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("neuron") / "run"
    words = ("train", "xor", "--data", "xor", "--epochs", 2, "--neuron", "sif", "--out", run, "--json")
    assert printed(call(*words))["last_epoch"]["free_steps"] == 128  # slots, not sweeps
    return run


def test_the_run_remembers_its_neurons(trained):
    network = RunFolder.open(trained).network()
    assert {p.model for p in network.dynamic} == {"sif"}
    told = printed(call("run", trained, "--samples", 4, "--json"))
    assert told["steps"] == {"median": 128.0, "max": 128}
    assert told["counts"]["messages per unit"] > 1
    assert "sif neurons, 128 slots: the rates are read-outs" in told["notes"][0]
    assert told["notes"][1].startswith("from the fixed point of the rate network: at most 0.0")


def test_a_run_is_shown_with_other_neurons(trained):
    annealed = printed(call("run", trained, "--samples", 4, "--neuron", "annealed_sigma_delta", "--json"))
    assert annealed["counts"]["messages per unit"] < 10
    rate = printed(call("run", trained, "--samples", 4, "--neuron", "rate", "--json"))
    assert (rate["counts"], rate["notes"][0].split()[0]) == ({}, "settled:")
    assert mep.load(trained, neuron="lif").network.spec.neurons["unit"].model == "lif"


def test_an_unknown_neuron_is_refused(trained):
    result = call("run", trained, "--neuron", "sfi")
    assert result.exit_code == 2
    assert "neuron: unknown neuron model 'sfi'; did you mean 'sif'?" in result.stderr


def test_a_network_that_spikes_cannot_express_is_refused(tmp_path):
    result = call("train", "digits_cube", "--neuron", "sif", "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "populations.cube.neuron: sif neurons are hard_sigmoid, not tanh" in result.stderr
    assert not (tmp_path / "run").exists()
