"""The depth benchmark runs, and prints one JSON object with the keys it promises."""

from collections.abc import Callable
from typing import Any

Printed = Callable[..., dict[str, Any]]


def test_the_quick_benchmark_prints_its_keys(printed: Printed) -> None:
    found = printed("depth", "--quick")["depth"]["8"]
    for value in (found["ep"], *found["ep_seeds"], found["ep_gain0"], found["backprop"], found["control"]):
        assert 0.0 <= value <= 1.0
    assert found["feedback_gain"] > 0.0
    signal = found["signal"]
    assert signal["layer"] == list(range(1, 9))
    assert min(signal["activity"] + signal["response"]) > 0.0
    assert signal["log10_k"][0] > 10.0
    assert signal["log10_k"][-1] == 0.0
    assert found["settled"]["cosine"] > 0.95


def test_the_choice_trains_on_a_part_and_prints_both_accuracies(printed: Printed) -> None:
    found = printed("depth", "--quick", "--choose", "4")["choice"]["4"]
    assert set(found) == {"ep", "backprop"}
    for by_settings in found.values():
        assert list(by_settings) == ["rate 0.05, gain 0.01"]
        assert 0.0 <= by_settings["rate 0.05, gain 0.01"] <= 1.0
