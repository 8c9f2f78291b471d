"""The benchmarks of chips run, and print one JSON object with the keys they promise."""

from collections.abc import Callable
from typing import Any

import pytest

Printed = Callable[..., dict[str, Any]]


def test_loihi_accuracy(printed: Printed) -> None:
    figures = printed("loihi_accuracy", "--quick")
    for bits in figures["loihi_accuracy"].values():
        assert set(bits) == {"8", "6"}
        for line in bits.values():
            assert -1.0 <= line["drop"] <= 1.0
            assert 0.0 <= line["agreement"] <= 1.0
    assert set(figures["controls"]) == set(figures["loihi_accuracy"])


@pytest.mark.slow  # what it runs is tested in tests/unit/backends/test_robustness.py
def test_robustness(printed: Printed) -> None:
    figures = printed("robustness", "--quick")
    curves = figures["robustness"]["digits_mlp"]
    assert {"weight bits", "state bits", "dead units", "message loss", "additive noise"} < set(curves)
    assert set(curves["weight bits"]) == {"8", "6", "5", "4", "3", "ternary"}
    for ends in figures["controls"]["digits_mlp"].values():
        assert ends["unchanged"]


@pytest.mark.slow
def test_loihi_gradient(printed: Printed) -> None:
    for key, figures in printed("loihi_gradient")["loihi_gradient"].items():
        assert figures["control_largest"] < 0.8  # of another network
        if "random" not in key:
            assert figures["membranes"]["blocks_that_pass"] == figures["membranes"]["blocks"], key
