"""The benchmark of learning inside Brian2 runs, and prints one JSON object with the keys it promises."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow  # two trainings and their controls
def test_brian2_learning() -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "brian2_learning.py"
    run = subprocess.run(
        [sys.executable, str(script), "--json", "--quick"],
        capture_output=True,
        text=True,
        timeout=500,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    figures = json.loads(run.stdout)
    assert figures["xor"] == {"rate": 1, "spiking": 1}
    for details in figures["xor_details"].values():
        assert details["controls_solved"] == {"no_nudge": 0, "other_labels": 0}
        assert details["cpu_seconds_max"] > 0.0
