"""The language benchmark runs, and prints one JSON object with the keys it promises."""

import json
import os
import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).parents[2] / "benchmarks" / "language.py"


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
    found = json.loads(run.stdout)["language"]
    for name in ("[512]", "[256, 256]"):
        net = found[name]
        assert net["ratio"] == net["ep"] / net["backprop"]
        # Thirty updates of a tiny grammar: below what letters alone, and the untrained net, give.
        assert net["ep"] < min(net["untrained"], net["frozen"], found["unigram"])
        assert f"--- {name} ep ---" in run.stderr
