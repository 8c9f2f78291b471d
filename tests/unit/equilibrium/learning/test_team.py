"""Two processes that share each batch train as one process does; real ones, that torchrun starts."""

import json
import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

MEMBER = Path(__file__).with_name("team_member.py")
EXACT = 1e-9
"""A tenth of a percent of the 1e-6 asked for; sums in another order differ by about 1e-15 in float64."""


def member() -> ModuleType:
    spec = spec_from_file_location("team_member", MEMBER)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ONE = member()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes wrote."""
    out = tmp_path_factory.mktemp("team")
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*words, str(MEMBER), str(out)],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def alone() -> dict[str, dict[str, np.ndarray]]:
    return {name: ONE.trained(consolidation) for name, consolidation in ONE.CASES.items()}


def worst(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], begins: str = "") -> float:
    """Largest difference of any array whose name begins so; infinite where names differ."""
    names = {name for name in {*found, *expected} if name.startswith(begins)}
    if any(name not in found or name not in expected for name in names):
        return float("inf")
    return max(float(np.abs(found[name] - expected[name]).max()) for name in names)


pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("case", ["sgd", "dion"])
def test_two_processes_equal_one(case: str, two: Path, alone: dict[str, dict[str, np.ndarray]]) -> None:
    """Weights after two epochs, optimizer state after one update, and the epoch's metrics."""
    for rank in (0, 1):
        assert worst(dict(np.load(two / f"{case}-{rank}.npz")), alone[case]) < EXACT


def test_muon_sees_the_same_sum(two: Path, alone: dict[str, dict[str, np.ndarray]]) -> None:
    """Its momentum after one update; what it makes of it is rounded to bfloat16."""
    momentum = [name for name in alone["muon"] if name.endswith("momentum_buffer")]
    assert len(momentum) == 2
    for rank in (0, 1):
        found = dict(np.load(two / f"muon-{rank}.npz"))
        for name in momentum:
            assert worst(found, alone["muon"], name) < EXACT


def test_both_processes_end_with_the_same_bits(two: Path) -> None:
    for case in ONE.CASES:
        first, second = (dict(np.load(two / f"{case}-{rank}.npz")) for rank in (0, 1))
        assert worst(first, second) == 0.0


@pytest.mark.parametrize("bug", ["no_sum", "same_rows", "no_share"])
def test_planted_bugs_are_seen(bug: str, two: Path, alone: dict[str, dict[str, np.ndarray]]) -> None:
    """Far outside the tolerance, in one process or in both."""
    assert max(worst(dict(np.load(two / f"{bug}-{r}.npz")), alone["sgd"], "p") for r in (0, 1)) > 1e-4


def test_a_failure_in_one_process_is_everyones(two: Path) -> None:
    first, second = (json.loads((two / f"failure-{rank}.json").read_text()) for rank in (0, 1))
    assert first == [
        "settle: failed in another process, which says why; no weight has changed",
        "weights kept",
    ]
    assert second == ["planted", "weights kept"]
