"""The benchmarks of events, memory and solvers run, and print one JSON object with the keys they promise."""

from collections.abc import Callable
from typing import Any

Printed = Callable[..., dict[str, Any]]


def test_events(printed: Printed) -> None:
    events = printed("events", "--quick")["events"]
    assert events["network"] == "digits_mlp"
    assert events["wallclock_ratio"] > 0.0
    for name in ("digits_mlp", "digits_cube"):
        figures = events["networks"][name]
        assert 0.3 < figures["saved_fraction"] < 1.0
        assert figures["dense_residual"] <= 1e-4
        assert figures["event_driven_residual"] <= 1e-4
    # tanh units always move, but for states that are equal by chance.
    assert abs(events["networks"]["digits_cube"]["saved_at_epsilon_0"]) < 0.01


def test_memory(printed: Printed) -> None:
    memory = printed("memory", "--quick")["memory"]
    assert memory["counter"]["counted"] == memory["counter"]["expected"]
    for solver, limit in (("settle", 5.0), ("lean", 3.0)):
        peaks = memory[f"{solver}_peak_by_network"]["512-512-10"]
        assert max(peaks.values()) - min(peaks.values()) < 0.1  # steps cost nothing
        assert max(peaks.values()) <= limit
    assert memory["nudged_peak_over_states"]["sweeps"] <= 5.0  # 5.18 where no current becomes its state
    autograd = memory["autograd_peak_over_states"]
    assert autograd["30"] > 2 * autograd["10"]
    assert memory["per_layer"]["50"] < 1.1 * memory["per_layer"]["10"]


def test_solvers(printed: Printed) -> None:
    for by_radius in printed("solvers", "--quick")["solvers"].values():
        steps = {solver: figures["steps"] for solver, figures in by_radius["0.5"].items()}
        assert steps["momentum"] < steps["sweeps"] < steps["synchronous"]
