"""The benchmark of learning inside Brian2 runs, and prints one JSON object with the keys it promises."""

from collections.abc import Callable
from typing import Any

import pytest

Printed = Callable[..., dict[str, Any]]


@pytest.mark.slow  # two trainings and their controls
def test_brian2_learning(printed: Printed) -> None:
    figures = printed("brian2_learning", "--quick")
    assert figures["xor"] == {"rate": 1, "spiking": 1}
    for details in figures["xor_details"].values():
        assert details["controls_solved"] == {"no_nudge": 0, "other_labels": 0}
        assert details["cpu_seconds_max"] > 0.0
