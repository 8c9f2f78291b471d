"""The cube's benchmark runs, and prints one JSON object with the keys it promises."""

import json
import os
import subprocess
import sys
from pathlib import Path


def test_cube() -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "cube.py"
    run = subprocess.run(
        [sys.executable, str(script), "--json", "--quick"],
        capture_output=True,
        text=True,
        timeout=110,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    cube = json.loads(run.stdout)["cube"]
    for name in ("sweep_over_bandwidth_n48", "contrast_over_bandwidth_n48", "dense_over_sparse_n24"):
        low, high = cube[f"{name}_spread"]
        assert 0.0 < low <= cube[name] <= high
    assert cube["exponent"] > 0.0
    assert cube["synapses"] == {"6": 1940, "8": 5068, "14": 30628}
    assert cube["accuracy"]["untrained"][0] < 0.3
