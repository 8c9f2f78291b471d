"""The benchmarks of the optimizers run, and print one JSON object with the keys they promise."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


def found(name: str, *more: str) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py"), "--json", "--quick", *more],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    figures: dict[str, Any] = json.loads(run.stdout)[name]
    return figures


def test_optimizers() -> None:
    figures = found("optimizers", "--methods", "sdmep")
    for line in figures.values():
        assert set(line) == {"accuracy", "frozen", "backprop", "step_time"}
        assert all(0.0 <= line[column][0] <= 1.0 for column in ("accuracy", "frozen", "backprop"))
        assert line["step_time"] > 0.0


def test_stress() -> None:
    figures = found("stress")
    assert {"backprop_sgd", "sdmep", "max_lambda_over_bound"} <= set(figures)
    assert figures["max_lambda_over_bound"] <= 1.0
    assert figures["unbounded"]["lambda"] > 0.95  # without the bound it is exceeded


@pytest.mark.slow
def test_optimizer_choices() -> None:
    figures = found("optimizer_choices", "--parts", "xor,feedback,scaling")
    assert figures["xor"] == 1
    assert set(figures["feedback"]) == {"1/8", "1/32"}
    assert figures["scaling"]["512"]["kept_per_side"] == 32  # Q alone
