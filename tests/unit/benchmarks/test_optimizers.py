"""The benchmarks of the optimizers run, and print one JSON object with the keys they promise."""

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs a benchmark in this process: another would spend most of its time on importing torch."""

    def run(name: str, *more: str) -> dict[str, Any]:
        monkeypatch.syspath_prepend(FOLDER)
        monkeypatch.setattr(sys, "argv", [name, "--json", "--quick", *more])
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
        figures: dict[str, Any] = json.loads(capsys.readouterr().out)[name]
        return figures

    return run


def test_optimizers(found: Callable[..., Any]) -> None:
    figures = found("optimizers", "--methods", "sdmep")
    for line in figures.values():
        assert set(line) == {"accuracy", "frozen", "backprop", "step_time"}
        assert all(0.0 <= line[column][0] <= 1.0 for column in ("accuracy", "frozen", "backprop"))
        assert line["step_time"] > 0.0


def test_stress(found: Callable[..., Any]) -> None:
    figures = found("stress")
    assert {"backprop_sgd", "sdmep", "max_lambda_over_bound"} <= set(figures)
    assert figures["max_lambda_over_bound"] <= 1.0
    assert figures["unbounded"]["lambda"] > 0.7  # without the bound it is exceeded


@pytest.mark.slow
def test_optimizer_choices(found: Callable[..., Any]) -> None:
    figures = found("optimizer_choices", "--parts", "xor,feedback,scaling")
    assert figures["xor"] == 1
    assert set(figures["feedback"]) == {"1/8", "1/32"}
    assert figures["scaling"]["512"]["kept_per_side"] == 32  # Q alone
