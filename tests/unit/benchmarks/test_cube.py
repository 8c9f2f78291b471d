"""The cube's benchmark runs, and prints one JSON object with the keys it promises."""

from collections.abc import Callable
from typing import Any

Printed = Callable[..., dict[str, Any]]


def test_cube(printed: Printed) -> None:
    cube = printed("cube", "--quick")["cube"]
    for name in ("sweep_over_bandwidth_n48", "contrast_over_bandwidth_n48", "dense_over_sparse_n24"):
        low, high = cube[f"{name}_spread"]
        assert 0.0 < low <= cube[name] <= high
    assert cube["exponent"] > 0.0
    assert cube["synapses"] == {"6": 1940, "8": 5068, "14": 30628}
    assert set(cube["accuracy"]) == {"untrained", "linear"}
    assert cube["accuracy"]["untrained"][0] < 0.3 < cube["accuracy"]["linear"][0]
