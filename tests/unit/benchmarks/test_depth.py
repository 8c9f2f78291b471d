"""The depth benchmark runs, and prints one JSON object with the keys it promises."""

import json
import os
import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).parents[2] / "benchmarks" / "depth.py"


def test_the_quick_benchmark_prints_its_keys() -> None:
    run = subprocess.run(
        [sys.executable, str(FILE), "--json", "--quick"],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)["depth"]["8"]
    for value in (found["ep"], *found["ep_seeds"], found["ep_gain0"], found["backprop"], found["control"]):
        assert 0.0 <= value <= 1.0
    assert found["feedback_gain"] > 0.0
    signal = found["signal"]
    assert signal["layer"] == list(range(1, 9))
    assert min(signal["activity"] + signal["response"]) > 0.0
    assert signal["log10_k"][0] > 10.0
    assert signal["log10_k"][-1] == 0.0
    assert found["settled"]["cosine"] > 0.95
