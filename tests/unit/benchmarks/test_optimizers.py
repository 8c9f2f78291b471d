"""The benchmarks of the optimizers run, and print one JSON object with the keys they promise."""

from collections.abc import Callable
from typing import Any

import pytest

Printed = Callable[..., dict[str, Any]]


def test_optimizers(printed: Printed) -> None:
    figures = printed("optimizers", "--quick", "--methods", "sdmep")["optimizers"]
    for line in figures.values():
        assert set(line) == {"accuracy", "frozen", "backprop", "step_time"}
        assert all(0.0 <= line[column][0] <= 1.0 for column in ("accuracy", "frozen", "backprop"))
        assert line["step_time"] > 0.0


def test_stress(printed: Printed) -> None:
    figures = printed("stress", "--quick")["stress"]
    assert {"backprop_sgd", "sdmep", "max_lambda_over_bound"} <= set(figures)
    assert figures["max_lambda_over_bound"] <= 1.0
    assert figures["unbounded"]["lambda"] > 0.7  # without the bound it is exceeded


@pytest.mark.slow
def test_optimizer_choices(printed: Printed) -> None:
    figures = printed("optimizer_choices", "--quick", "--parts", "xor,feedback,scaling")["optimizer_choices"]
    assert figures["xor"] == 1
    assert set(figures["feedback"]) == {"1/8", "1/32"}
    assert figures["scaling"]["512"]["kept_per_side"] == 32  # Q alone
