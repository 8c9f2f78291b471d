"""The Brian2 benchmarks run, and print one JSON object with the keys they promise."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(300)  # the child has 280 seconds; 10 of CPU each

FOLDER = Path(__file__).parents[2] / "benchmarks"


def quick(name: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py"), "--json", "--quick"],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)[name]
    return found


def test_agreement() -> None:
    found = quick("brian2_agreement")
    assert found["numpy"]["cube"] <= 1e-12
    assert found["control"]["cube"] > 1e-9


def test_spiking_exact() -> None:
    for targets in quick("spiking_exact").values():
        assert targets["numpy"] == {"differences": 0, "unit_steps": 1536}
        assert targets["control"]["differences"] > 0


@pytest.mark.slow
def test_speed() -> None:
    found = quick("brian2_speed")
    assert found["over_naive"].keys() == {"numpy", "numpy_synapses"}
    assert found["apart"] < 1e-12
    assert {"build_cpu_seconds", "exponent"} < found.keys()
