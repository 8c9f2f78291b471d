"""The step-time and accuracy benchmarks run, and print one JSON object with the keys they promise."""

from collections.abc import Callable
from typing import Any

Printed = Callable[..., dict[str, Any]]


def test_step_time(printed: Printed) -> None:
    figures = printed("step_time", "--quick")["step_time"]
    assert {"784-256-10", "784-512-512-10", "784-256-256-256-256-10"} < set(figures["ratio"])
    assert all(ratio > 0.0 for ratio in figures["ratio"].values())
    assert all(-1.0 <= cosine <= 1.0 for cosine in figures["cosine"].values())


def test_accuracy(printed: Printed) -> None:
    (line,) = printed("accuracy", "--quick")["accuracy"].values()
    for method in ("ep", "backprop", "frozen"):
        assert 0.0 <= line[method][0] <= 1.0
