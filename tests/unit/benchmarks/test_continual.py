"""The continual benchmark runs, and prints one JSON object with the keys it promises."""

from collections.abc import Callable
from typing import Any

Printed = Callable[..., dict[str, Any]]


def test_the_quick_benchmark_prints_its_keys(printed: Printed) -> None:
    found = printed("continual", "--quick")["continual"]
    for name in ("naive", "local", "backprop_ewc", "shuffled", "backprop"):
        assert 0.0 <= found[name]["average"] <= 1.0
        assert -1.0 <= found[name]["forgetting"] <= 1.0
    assert found["strength_zero"] == found["naive"]
    assert found["local"] != found["naive"]
    assert found["dion_carried"] != found["dion_fresh"]
