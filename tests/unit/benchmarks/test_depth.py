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
