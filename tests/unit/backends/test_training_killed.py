"""A training that is killed and started again ends with the same bytes as one that is not."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mep_neuro.cli.main import app

TRAINER = Path(__file__).with_name("killed_trainer.py")
UPDATES, PER_EPOCH = 15, 5


def bytes_of(run: Path) -> dict[str, bytes]:
    """What the last checkpoint holds, and the metrics."""
    files = [
        run / f"step-{UPDATES}" / "weights.safetensors",
        run / f"step-{UPDATES}" / "state.safetensors",
        run / "metrics.jsonl",
    ]
    return {file.name: file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[int]]]:
    """Where everything was trained, and the steps at which each was found after its kills."""
    folder = tmp_path_factory.mktemp("trained")
    done = subprocess.run([sys.executable, TRAINER, folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


@pytest.mark.parametrize("how", ["sgd", "adam", "muon", "dion"])
def test_the_bytes_are_those_of_an_unbroken_training(
    how: str, trained: tuple[Path, dict[str, list[int]]]
) -> None:
    folder, found = trained
    within = [step for step in found[f"{how}/at-every-update"] if step % PER_EPOCH]
    assert len(within) >= 2, found  # it did go on from the middle of an epoch
    assert len(found[f"{how}/at-epoch-ends"]) >= 2, found
    assert all(step % PER_EPOCH == 0 for step in found[f"{how}/at-epoch-ends"])
    whole = bytes_of(folder / how / "unbroken")
    assert len(whole["metrics.jsonl"].splitlines()) == UPDATES // PER_EPOCH
    for name in ("at-every-update", "at-epoch-ends"):
        for file, content in bytes_of(folder / how / name).items():
            assert content == whole[file], f"{name}: {file}"


def test_the_command_goes_on_after_a_kill(tmp_path: Path) -> None:
    """`mep-neuro train` itself, killed after its first epoch, while the second runs."""
    words = ["train", "digits_mlp", "--epochs", "3", "--seed", "4"]
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    killed = subprocess.Popen(
        [sys.executable, "-m", "mep_neuro", *words, "--out", str(broken)],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert killed.stderr is not None
    assert killed.stderr.readline().startswith("epoch   1  train 0.")
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    killed.stderr.close()
    told = []
    for folder in (whole, broken):
        result = CliRunner().invoke(app, [*words, "--json", "--out", str(folder)])
        assert result.exit_code == 0, result.output
        told.append(json.loads(result.stdout))
    assert told[0].pop("run") != told[1].pop("run")
    assert told[0] == told[1]
    last = max(int(path.name.removeprefix("step-")) for path in whole.glob("step-*"))
    for file in ("weights.safetensors", "state.safetensors"):
        assert (whole / f"step-{last}" / file).read_bytes() == (broken / f"step-{last}" / file).read_bytes()
