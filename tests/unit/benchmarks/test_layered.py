"""The step-time and accuracy benchmarks run, and print one JSON object with the keys they promise."""

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
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    figures: dict[str, Any] = json.loads(run.stdout)[name]
    return figures


def test_step_time() -> None:
    figures = found("step_time")
    assert {"784-256-10", "784-512-512-10", "784-256-256-256-256-10"} < set(figures["ratio"])
    assert all(ratio > 0.0 for ratio in figures["ratio"].values())
    assert all(-1.0 <= cosine <= 1.0 for cosine in figures["cosine"].values())


def test_accuracy() -> None:
    (line,) = found("accuracy").values()
    for method in ("ep", "backprop", "frozen"):
        assert 0.0 <= line[method][0] <= 1.0
