"""The lattice of `digits_cube` learns; its input weights stay random, and its controls do not learn."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.load import load
from mep_neuro.backends.training import train
from mep_neuro.topology.reader import read_spec

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "cube_accuracy.py"
READOUT, LATTICE = ("face_output", "output"), ("lattice", "cube")


def held_out(epochs: int, *frozen: tuple[str, str]) -> float:
    """Accuracy after a training with some projections and biases frozen."""
    mapping: dict[str, Any] = read_spec("digits_cube").to_mapping()
    assert mapping["projections"]["input_face"]["plastic"] is False
    for projection, population in frozen:
        mapping["projections"][projection]["plastic"] = False
        mapping["populations"][population]["plastic_bias"] = False
    return train(load(mapping), load_data("digits"), epochs=epochs).held_out.value


def test_the_lattice_alone_learns_behind_a_frozen_readout() -> None:
    untrained, frozen = held_out(0), held_out(1, READOUT, LATTICE)
    learned = held_out(5, READOUT)
    assert untrained <= 0.2  # 10 classes, and 450 images: two standard errors above chance are 0.13
    assert frozen == untrained
    assert learned >= 0.75
    assert learned >= untrained + 0.5


@pytest.mark.slow
@pytest.mark.timeout(1200)  # 40 s alone on a core; minutes where others are at work
def test_the_figures_of_the_cube() -> None:
    """One seed of the benchmark; its own standard error is 0.012."""
    command = [sys.executable, BENCHMARK, "--json", "--seeds", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = {part: mean for part, (mean, _) in json.loads(done.stdout).items()}
    assert found["untrained"] <= 0.12
    assert found["lattice"] >= 0.90
    assert found["both"] >= found["readout"] + 0.10
    assert found["both"] >= found["linear"]
    assert abs(found["both"] - found["backprop"]) <= 0.02
