"""The Brian2 benchmarks run, and print one JSON object with the keys they promise."""

from collections.abc import Callable
from typing import Any

import pytest

Printed = Callable[..., dict[str, Any]]


def test_agreement(printed: Printed) -> None:
    found = printed("brian2_agreement", "--quick")["brian2_agreement"]
    assert found["numpy"]["cube"] <= 1e-12
    assert found["control"]["cube"] > 1e-9


def test_spiking_exact(printed: Printed) -> None:
    for targets in printed("spiking_exact", "--quick")["spiking_exact"].values():
        assert targets["numpy"] == {"differences": 0, "unit_steps": 1536}
        assert targets["control"]["differences"] > 0


@pytest.mark.slow
def test_speed(printed: Printed) -> None:
    found = printed("brian2_speed", "--quick")["brian2_speed"]
    assert found["over_naive"].keys() == {"numpy", "numpy_synapses"}
    assert found["apart"] < 1e-12
    assert {"build_cpu_seconds", "exponent"} < found.keys()
