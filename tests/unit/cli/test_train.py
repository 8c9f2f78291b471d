"""`mep-neuro train` and `mep-neuro evaluate`, on small data of a file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.run_folder import RunFolder
from mep_neuro.cli.main import app
from mep_neuro.topology.reader import read_spec
from mep_neuro.topology.writer import write_spec


def call(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def printed(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    value: dict[str, Any] = json.loads(result.stdout)  # one object and nothing else
    return value


def save(path: Path, samples: int = 200, **changes: Any) -> Path:
    data = load_data("digits")
    parts = {
        "x_train": data.x_train[:samples],
        "y_train": data.y_train[:samples],
        "x_test": data.x_test[:70],
        "y_test": data.y_test[:70],
    }
    np.savez(path, **(parts | changes))
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, Any]]:
    """A RUN, its data, and what train printed."""
    folder = tmp_path_factory.mktemp("train")
    data = save(folder / "small.npz")
    words = ("train", "digits_mlp", "--data", data, "--epochs", 2, "--seed", 5, "--out", folder / "run")
    return folder / "run", data, printed(call(*words, "--json"))


def test_train_tells_where_and_how_well(trained: tuple[Path, Path, dict[str, Any]]) -> None:
    run, _, value = trained
    assert (value["run"], value["network"], value["samples"]) == (str(run), "digits_mlp", 70)
    assert 0 <= value["interval"][0] <= value["accuracy"] <= value["interval"][1] <= 1
    assert value["epochs"] == 2
    assert value["last_epoch"]["held_out_accuracy"] == value["accuracy"]
    assert value["last_epoch"]["settled"] == 1.0


def test_the_seed_gives_three_seeds(trained: tuple[Path, Path, dict[str, Any]]) -> None:
    seeds = RunFolder.open(trained[0]).network().spec.seeds
    assert (seeds.init, seeds.data, seeds.noise) == (5, 6, 7)


def test_evaluate_measures_the_run_on_its_own_data(trained: tuple[Path, Path, dict[str, Any]]) -> None:
    run, _, value = trained
    found = printed(call("evaluate", run, "--json"))
    assert found["accuracy"] == value["accuracy"]
    assert found["interval"] == value["interval"]
    assert found["samples"] == 70
    assert found["step"] == 2 * 4
    assert found["trained_on_this_data"] is True
    assert found["status"].startswith("settled: residual")
    text = call("evaluate", run)
    assert text.exit_code == 0
    assert text.stdout.startswith(f"accuracy {value['accuracy']:.4f} (95 % interval ")
    assert "note:" not in text.stdout


def test_evaluate_on_other_data_says_so(trained: tuple[Path, Path, dict[str, Any]]) -> None:
    found = printed(call("evaluate", trained[0], "--data", "digits", "--json"))
    assert found["samples"] == 450
    assert found["trained_on_this_data"] is False
    text = call("evaluate", trained[0], "--data", "digits")
    assert "note: the run was trained on other data than this" in text.stdout + text.stderr


def test_train_shows_each_epoch_and_the_next_command(tmp_path: Path) -> None:
    data = save(tmp_path / "small.npz", samples=130)
    result = call("train", "digits_mlp", "--data", data, "--epochs", 2, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    epochs = [line for line in result.stderr.splitlines() if line.startswith("epoch")]
    assert [line.split()[1] for line in epochs] == ["1", "2"]
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"{tmp_path / 'run'}: held-out accuracy 0.")
    assert lines[1].startswith(
        f"next: mep-neuro compare {tmp_path / 'run'} --on torch,brian2,loihi-emulator "
    )


def test_the_next_command_names_no_back_end_that_refuses_the_network(tmp_path: Path) -> None:
    data = save(tmp_path / "small.npz", samples=130)
    result = call("train", "digits_cube", "--data", data, "--epochs", 1, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "--on torch,brian2 --report" in result.stdout  # tanh units have no form on the chip
    content = read_spec("digits_mlp").to_mapping()
    content["populations"]["hidden"]["sparsity"] = 8
    (tmp_path / "sparse.yaml").write_text(write_spec(read_spec(content)), encoding="utf-8")
    words = ("train", tmp_path / "sparse.yaml", "--data", data, "--epochs", 1, "--out", tmp_path / "sparse")
    assert "--on torch --report" in call(*words).stdout  # competition has no form in Brian2 either


def test_the_same_command_again_gives_the_same_result(
    trained: tuple[Path, Path, dict[str, Any]],
) -> None:
    run, data, value = trained
    words = ("train", "digits_mlp", "--data", data, "--epochs", 2, "--seed", 5, "--out", run)
    assert printed(call(*words, "--json")) == value


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("digits_mpl",), 2, "digits_mpl: file: does not exist; did you mean 'digits_mlp'?"),
        (("digits_mlp", "--data", "xor"), 2, "population 'input': 64 units, the data has 4 features"),
        (("digits_mlp", "--data", "none.npz"), 2, "none.npz"),
        (("digits_mlp", "--epochs", "0"), 2, "Invalid value for '--epochs'"),
        (("digits_mlp", "--seed", "-1"), 2, "Invalid value for '--seed'"),
        (("digits_mlp", "--epoch", "1"), 2, "No such option"),
    ],
)
def test_mistakes_end_in_2_and_leave_no_folder(
    words: tuple[str, ...], code: int, message: str, tmp_path: Path
) -> None:
    result = call("train", *words, "--out", tmp_path / "run")
    assert result.exit_code == code, result.output
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.output
    assert not (tmp_path / "run").exists()


def test_out_is_asked_for() -> None:
    result = call("train", "digits_mlp")
    assert result.exit_code == 2
    assert "--out" in result.stderr


def test_a_divergence_ends_in_1(tmp_path: Path) -> None:
    topology = tmp_path / "wild.yaml"
    topology.write_text(
        "name: wild\n"
        "neurons: {unit: {activation: relu}}\n"
        "populations:\n"
        "  input: {shape: [64], role: input}\n"
        "  hidden: {shape: [30], neuron: unit, bias: 0.5}\n"
        "  output: {shape: [10], role: output, neuron: unit, bias: 0.5}\n"
        "projections:\n"
        "  in: {pre: input, post: hidden, connector: {type: dense}}\n"
        "  out: {pre: hidden, post: output, connector: {type: dense}, weight: {gain: 9.0}}\n"
    )
    result = call("train", topology, "--data", save(tmp_path / "small.npz"), "--out", tmp_path / "run")
    assert result.exit_code == 1, result.output
    assert "the state grows without bound" in result.stderr
    assert "Traceback" not in result.output


def test_evaluate_refuses_what_is_no_run(tmp_path: Path, trained: tuple[Path, Path, dict[str, Any]]) -> None:
    result = call("evaluate", tmp_path)
    assert result.exit_code == 2
    assert "run.json" in result.stderr
    assert call("evaluate", trained[0], "--data", "xor").exit_code == 2


@pytest.mark.parametrize(
    ("verb", "pieces"),
    [
        ("train", ("--data", "--epochs", "--seed", "--out", "--json", "mep-neuro train digits_mlp")),
        ("evaluate", ("RUN", "--data", "--json", "mep-neuro evaluate runs/digits")),
        ("demo", ("--out", "--samples", "--json", "mep-neuro demo --out demo-out")),
    ],
)
def test_help_tells_a_newcomer_what_to_type(verb: str, pieces: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [verb, "--help"], terminal_width=100)
    assert result.exit_code == 0
    for piece in pieces:
        assert piece in result.stdout, piece
    assert "Example:" in result.stdout


def test_a_task_goes_on_after_another(trained: tuple[Path, Path, dict[str, Any]], tmp_path: Path) -> None:
    run, data, _ = trained
    words = ("train", "digits_mlp", "--data", data, "--epochs", 1, "--seed", 5, "--out", tmp_path / "next")
    fresh = printed(call(*words[:-1], tmp_path / "fresh", "--json"))
    after = printed(call(*words, "--after", run, "--json"))
    assert after["last_epoch"]["train_accuracy"] > fresh["last_epoch"]["train_accuracy"]
    assert RunFolder.open(tmp_path / "next").settings["after"]
