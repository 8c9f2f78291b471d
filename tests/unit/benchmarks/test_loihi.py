"""The chip's benchmarks run, and print one JSON object with the keys they promise."""

from collections.abc import Callable
from typing import Any

import pytest

from mep_neuro.converters.to_lava.environment import find

Printed = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True, scope="module")
def _environment() -> None:
    if find() is None:
        pytest.skip("lava environment not installed: run mep-neuro backend install lava")


def test_exact(printed: Printed) -> None:
    found = printed("loihi_exact", "--quick")
    assert found["mismatches"] == 0
    assert found["networks"] >= 24
    assert found["states_compared"] > 100_000
    assert min(found["seen"].values()) > 0  # wraps, clips, messages and spikes were there to compare


@pytest.mark.slow
def test_silence(printed: Printed) -> None:
    found = printed("loihi_silence", "--full")  # of 40 runs one that repeats within 1 LSB is 2.5 %
    for size, limit in (("0.5", 1.0), ("0.9", 4.0)):
        own, stock = found["EPSigmaDelta"][size], found["stock SigmaDelta"][size]
        assert own["settled_exactly"] >= 0.99
        assert own["messages_after_silence"] == own["sums_that_differ_from_weight_times_s"] == 0
        assert own["own_equation_lsb"] <= 1.0
        assert own["fixed_point_lsb"]["max"] <= limit
        assert stock["sums_that_differ_from_weight_times_s"] > 0
        assert stock["fixed_point_lsb"]["max"] > limit


@pytest.mark.slow
def test_learning(printed: Printed) -> None:
    found = printed("loihi_learning")
    assert max(found["epochs"]["float"] + found["epochs"]["fixed"]) <= 40
    assert found["control_without_third_factor"]["largest_weight_change"] == 0.0
    assert not found["control_without_third_factor"]["learned"]


def test_speed(printed: Printed) -> None:
    found = printed("loihi_speed")
    assert found["early_stop_over_lava"]["100"]["ratio"] > found["emulator_over_lava"]["100"]["ratio"] > 1.0


@pytest.mark.slow
def test_faults(printed: Printed) -> None:
    found = printed("loihi_faults")
    assert found["readable"] == found["cases"] > 10
    assert found["orphans"] == 0
