"""`torchrun -m mep_neuro train`: two processes, one RUN, one voice."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.run_folder import RunFolder
from mep_neuro.cli.main import app
from mep_neuro.topology.reader import read_spec
from mep_neuro.topology.writer import write_spec

TOGETHER = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def together(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TOGETHER, "mep_neuro", "train", *(str(word) for word in words)],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    """What to train: a small part of the digits, plain SGD."""
    folder = tmp_path_factory.mktemp("together")
    data = load_data("digits")
    np.savez(
        folder / "small.npz",
        x_train=data.x_train[:200],
        y_train=data.y_train[:200],
        x_test=data.x_test[:60],
        y_test=data.y_test[:60],
    )
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["consolidation"] = {"spectral_bound": 0.7}  # without Muon, which rounds to bfloat16
    (folder / "net.yaml").write_text(write_spec(read_spec(mapping)))
    return (folder / "net.yaml", "--data", folder / "small.npz", "--json")


def arrays(run: Path) -> dict[str, Any]:
    return RunFolder.open(run).weights()


def test_one_run_as_of_one_process(words: tuple[object, ...], tmp_path: Path) -> None:
    done = together(*words, "--epochs", 1, "--out", tmp_path / "two")
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)  # one object, so the second process was silent
    alone = CliRunner().invoke(
        app, ["train", *(str(w) for w in words), "--epochs", "1", "--out", str(tmp_path / "one")]
    )
    assert alone.exit_code == 0, alone.output
    assert value["accuracy"] == pytest.approx(json.loads(alone.stdout)["accuracy"], abs=0.04)
    one, two = arrays(tmp_path / "one"), arrays(tmp_path / "two")
    for name, array in one.items():
        # Sums of float32 in another order, through four updates; the weights are up to 0.5.
        assert np.abs(two[name] - array).max() < 1e-5, name
    run = RunFolder.open(tmp_path / "two")
    assert run.settings["processes"] == 2
    after = together(*words, "--epochs", 1, "--out", tmp_path / "next", "--after", tmp_path / "two")
    assert after.returncode == 0, after.stderr
    again = together(*words, "--epochs", 1, "--out", tmp_path / "two")  # finished: nothing left to do
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["accuracy"] == value["accuracy"]


def test_a_mistake_ends_both(words: tuple[object, ...], tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("")
    done = together(*words, "--epochs", 1, "--out", tmp_path / "taken")
    assert done.returncode != 0
    assert done.stderr.count("taken: not empty and no RUN") == 1  # said once, not by each process
    assert done.stdout == ""
