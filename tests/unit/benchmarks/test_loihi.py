"""The chip's benchmarks run, and print one JSON object with the keys they promise."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mep_neuro.converters.to_lava.environment import find


@pytest.fixture(autouse=True, scope="module")
def _environment() -> None:
    if find() is None:
        pytest.skip("lava environment not installed: run mep-neuro backend install lava")


def benchmark(name: str, *options: str) -> dict[str, Any]:
    script = Path(__file__).parents[2] / "benchmarks" / f"{name}.py"
    run = subprocess.run(
        [sys.executable, str(script), "--json", *options],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def test_exact() -> None:
    found = benchmark("loihi_exact", "--quick")
    assert found["mismatches"] == 0
    assert found["networks"] >= 24
    assert found["states_compared"] > 100_000
    assert min(found["seen"].values()) > 0  # wraps, clips, messages and spikes were there to compare


@pytest.mark.slow
def test_silence() -> None:
    found = benchmark("loihi_silence", "--full")  # of 40 runs one that repeats within 1 LSB is 2.5 %
    for size, limit in (("0.5", 1.0), ("0.9", 4.0)):
        own, stock = found["EPSigmaDelta"][size], found["stock SigmaDelta"][size]
        assert own["settled_exactly"] >= 0.99
        assert own["messages_after_silence"] == own["sums_that_differ_from_weight_times_s"] == 0
        assert own["own_equation_lsb"] <= 1.0
        assert own["fixed_point_lsb"]["max"] <= limit
        assert stock["sums_that_differ_from_weight_times_s"] > 0
        assert stock["fixed_point_lsb"]["max"] > limit


@pytest.mark.slow
def test_learning() -> None:
    found = benchmark("loihi_learning")
    assert max(found["epochs"]["float"] + found["epochs"]["fixed"]) <= 40
    assert found["control_without_third_factor"]["largest_weight_change"] == 0.0
    assert not found["control_without_third_factor"]["learned"]


@pytest.mark.slow
def test_speed() -> None:
    found = benchmark("loihi_speed")
    assert found["early_stop_over_lava"]["100"]["ratio"] > found["emulator_over_lava"]["100"]["ratio"] > 1.0


@pytest.mark.slow
def test_faults() -> None:
    found = benchmark("loihi_faults")
    assert found["readable"] == found["cases"] > 10
    assert found["orphans"] == 0
