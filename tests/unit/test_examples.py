"""The examples, run with fewer epochs than a reader would; and as short as they are promised to be."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run_example(name: str, **options: int) -> dict[str, float]:
    figures: dict[str, float] = runpy.run_path(str(EXAMPLES / name))["main"](**options)
    return figures


def test_quickstart_learns_and_brian2_agrees() -> None:
    figures = run_example("quickstart.py", epochs=3, samples=10)
    assert figures["accuracy"] > 0.9
    # The reference is float32 and settles to 1e-6; a radius of 0.7 makes of that at most 1e-6 / 0.3.
    assert figures["deviation"] < 1e-5
    assert figures["agreement"] == 1.0


def test_the_contrast_tends_to_the_gradient_and_learns_as_well() -> None:
    figures = run_example("ep_against_backprop.py", epochs=2)
    assert 3.7 < figures["order"] < 4.3  # an error of order beta squared: half of beta, a quarter of it
    assert figures["smallest_error"] < 0.01
    assert figures["ep"] > 0.85
    assert abs(figures["ep"] - figures["backprop"]) < 0.02


def test_the_cube_learns_through_its_lattice() -> None:
    figures = run_example("cube_from_yaml.py", epochs=4)
    assert figures["trained"] > figures["frozen"] + 0.05
    assert figures["frozen"] > 0.3  # the control learns too


def test_a_run_spikes_in_brian2_under_a_monitor_of_the_users() -> None:
    figures = run_example("brian2_from_a_run.py", epochs=2, samples=2)
    assert figures["spikes"] == figures["recorded"] > 0
    assert figures["panels"] == 2


def test_a_plain_torch_model_learns_without_backward() -> None:
    figures = run_example("torch_model.py", epochs=2)
    assert figures["untrained"] < 0.3
    assert figures["accuracy"] > 0.85


SHORT = [
    "quickstart.py",
    "ep_against_backprop.py",
    "cube_from_yaml.py",
    "brian2_from_a_run.py",
    "torch_model.py",
]


@pytest.mark.parametrize("name", SHORT)
def test_an_example_is_under_60_lines(name: str) -> None:
    assert len((EXAMPLES / name).read_text().splitlines()) < 60
