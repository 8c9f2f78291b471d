"""The benchmarks of spiking neurons run, and print one JSON object with the keys they promise."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def printed(name: str) -> Any:
    script = Path(__file__).parents[2] / "benchmarks" / f"{name}.py"
    run = subprocess.run(
        [sys.executable, str(script), "--json", "--quick"],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)[name]


@pytest.mark.timeout(300)
def test_spiking_readout() -> None:
    told = printed("spiking_readout")
    assert told["error"].keys() == told["agreement"].keys() == {"16", "32", "64"}
    assert told["error"]["64"] < told["controls"]["count"]["error"]["64"] < told["drawn"]
    assert told["slope"] < -1.0
    assert 0.9 < told["cosine"] <= 1.0
    assert 0.0 < told["messages_per_unit"] < told["codes"]["sigma_delta"]["messages_per_unit"]


@pytest.mark.timeout(300)
def test_spiking_training() -> None:
    told = printed("spiking_training")
    assert told["untrained"] < min(told["rate"][0], told["spiking"][0]) <= 1.0
    assert told["frozen"] <= 1.0
