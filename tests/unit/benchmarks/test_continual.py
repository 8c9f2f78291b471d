"""The continual benchmark runs, and prints one JSON object with the keys it promises."""

import json
import os
import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).parents[2] / "benchmarks" / "continual.py"


def test_the_quick_benchmark_prints_its_keys() -> None:
    run = subprocess.run(
        [sys.executable, str(FILE), "--json", "--quick"],
        capture_output=True,
        text=True,
        timeout=110,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)["continual"]
    for name in ("naive", "local", "backprop_ewc", "shuffled", "backprop"):
        assert 0.0 <= found[name]["average"] <= 1.0
        assert -1.0 <= found[name]["forgetting"] <= 1.0
    assert found["strength_zero"] == found["naive"]
    assert found["local"] != found["naive"]
    assert found["dion_carried"] != found["dion_fresh"]
