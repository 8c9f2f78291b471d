"""The language benchmark runs, and prints one JSON object with the keys it promises."""

from collections.abc import Callable
from typing import Any

import pytest

Printed = Callable[..., dict[str, Any]]


def test_the_quick_benchmark_prints_its_keys(printed: Printed, capsys: pytest.CaptureFixture[str]) -> None:
    found = printed("language", "--quick")["language"]
    told = capsys.readouterr().err
    for name in ("[512]", "[256, 256]"):
        net = found[name]
        assert net["ratio"] == net["ep"] / net["backprop"]
        # Thirty updates of a tiny grammar: below what letters alone, and the untrained net, give.
        assert net["ep"] < min(net["untrained"], net["frozen"], found["unigram"])
        assert f"--- {name} ep ---" in told
