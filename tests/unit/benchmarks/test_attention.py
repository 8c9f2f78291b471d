"""The attention benchmark runs, and prints one JSON object with the keys it promises."""

from collections.abc import Callable
from typing import Any

Printed = Callable[..., dict[str, Any]]


def test_the_quick_benchmark_prints_its_keys(printed: Printed) -> None:
    (found,) = printed("attention", "--quick").values()
    for kind in ("cross", "self"):
        for figures in (found[kind], found["bptt"][kind]):
            assert 0.0 <= figures["token"] <= 1.0
            assert 0.0 <= figures["token_settled"] <= 1.0
    assert 0.0 <= found["none"] <= 1.0
    assert 0.0 <= found["frozen"] <= 1.0
    assert found["gradient_cosine"] > 0.99
