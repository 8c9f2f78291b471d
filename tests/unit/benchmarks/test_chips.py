"""The benchmarks of chips run, and print one JSON object with the keys they promise."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(300)
FOLDER = Path(__file__).parents[2] / "benchmarks"


def found(name: str, *options: str) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py"), "--json", *options],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    printed: dict[str, Any] = json.loads(run.stdout)
    return printed


def test_loihi_accuracy() -> None:
    figures = found("loihi_accuracy", "--quick")
    for bits in figures["loihi_accuracy"].values():
        assert set(bits) == {"8", "6"}
        for line in bits.values():
            assert -1.0 <= line["drop"] <= 1.0
            assert 0.0 <= line["agreement"] <= 1.0
    assert set(figures["controls"]) == set(figures["loihi_accuracy"])


@pytest.mark.slow  # what it runs is tested in tests/unit/backends/test_robustness.py
def test_robustness() -> None:
    figures = found("robustness", "--quick")
    curves = figures["robustness"]["digits_mlp"]
    assert {"weight bits", "state bits", "dead units", "message loss", "additive noise"} < set(curves)
    assert set(curves["weight bits"]) == {"8", "6", "5", "4", "3", "ternary"}
    for ends in figures["controls"]["digits_mlp"].values():
        assert ends["unchanged"]


@pytest.mark.slow
def test_loihi_gradient() -> None:
    for key, figures in found("loihi_gradient")["loihi_gradient"].items():
        assert figures["control_largest"] < 0.8  # of another network
        if "random" not in key:
            assert figures["membranes"]["blocks_that_pass"] == figures["membranes"]["blocks"], key
