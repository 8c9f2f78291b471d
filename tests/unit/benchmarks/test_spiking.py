"""The benchmarks of spiking neurons run, and print one JSON object with the keys they promise."""

from collections.abc import Callable
from typing import Any

import pytest

Printed = Callable[..., dict[str, Any]]


@pytest.mark.timeout(300)
def test_spiking_readout(printed: Printed) -> None:
    told = printed("spiking_readout", "--quick")["spiking_readout"]
    assert told["error"].keys() == told["agreement"].keys() == {"16", "32", "64"}
    assert told["error"]["64"] < told["controls"]["count"]["error"]["64"] < told["drawn"]
    assert told["slope"] < -1.0
    assert 0.9 < told["cosine"] <= 1.0
    assert 0.0 < told["messages_per_unit"] < told["codes"]["sigma_delta"]["messages_per_unit"]


@pytest.mark.timeout(300)
def test_spiking_training(printed: Printed) -> None:
    told = printed("spiking_training", "--quick")["spiking_training"]
    assert told["untrained"] < min(told["rate"][0], told["spiking"][0]) <= 1.0
    assert told["frozen"] <= 1.0
