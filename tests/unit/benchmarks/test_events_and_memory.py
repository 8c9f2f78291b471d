"""The benchmarks of events, memory and solvers run, and print one JSON object with the keys they promise."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "benchmarks"


def found(name: str) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py"), "--json", "--quick"],
        capture_output=True,
        text=True,
        timeout=110,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return dict(json.loads(run.stdout)[name])


def test_events() -> None:
    events = found("events")
    assert events["network"] == "digits_mlp"
    assert events["wallclock_ratio"] > 0.0
    for name in ("digits_mlp", "digits_cube"):
        figures = events["networks"][name]
        assert 0.3 < figures["saved_fraction"] < 1.0
        assert figures["dense_residual"] <= 1e-4
        assert figures["event_driven_residual"] <= 1e-4
    # tanh units always move, but for states that are equal by chance.
    assert abs(events["networks"]["digits_cube"]["saved_at_epsilon_0"]) < 0.01


def test_memory() -> None:
    memory = found("memory")
    assert memory["counter"]["counted"] == memory["counter"]["expected"]
    for solver, limit in (("settle", 5.0), ("lean", 3.0)):
        peaks = memory[f"{solver}_peak_by_network"]["512-512-10"]
        assert max(peaks.values()) - min(peaks.values()) < 0.1  # steps cost nothing
        assert max(peaks.values()) <= limit
    autograd = memory["autograd_peak_over_states"]
    assert autograd["30"] > 2 * autograd["10"]
    assert memory["per_layer"]["50"] < 1.1 * memory["per_layer"]["10"]


def test_solvers() -> None:
    for by_radius in found("solvers").values():
        steps = {solver: figures["steps"] for solver, figures in by_radius["0.5"].items()}
        assert steps["momentum"] < steps["sweeps"] < steps["synchronous"]
