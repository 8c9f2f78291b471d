"""The attention benchmark runs, and prints one JSON object with the keys it promises."""

import json
import os
import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).parents[2] / "benchmarks" / "attention.py"


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
    (found,) = json.loads(run.stdout).values()
    for kind in ("cross", "self"):
        for figures in (found[kind], found["bptt"][kind]):
            assert 0.0 <= figures["token"] <= 1.0
            assert 0.0 <= figures["token_settled"] <= 1.0
    assert 0.0 <= found["none"] <= 1.0
    assert 0.0 <= found["frozen"] <= 1.0
    assert found["gradient_cosine"] > 0.99
