"""One run in the private environment, with a stand-in for the runner: what it does wrong is told."""

import json
import sys
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import Quantized, quantize
from mep_neuro.converters.to_lava import bundle
from mep_neuro.converters.to_lava.backend import run
from mep_neuro.converters.to_lava.session import run_session
from mep_neuro.errors import BackendFailedError, BackendMissingError, StimulusError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.recording import RunOptions
from mep_neuro.topology.spec import NetworkSpec


def network() -> Network:
    dense = {"type": "dense"}
    return build(
        NetworkSpec.model_validate(
            {
                "name": "tiny",
                "neurons": {"u": {"activation": "hard_sigmoid"}},
                "populations": {
                    "input": {"shape": [2], "role": "input"},
                    "a": {"shape": [3], "neuron": "u"},
                    "out": {"shape": [2], "role": "output", "neuron": "u"},
                },
                "projections": {
                    "in": {"pre": "input", "post": "a", "connector": dense},
                    "up": {"pre": "a", "post": "out", "connector": dense},
                },
            }
        )
    )


@pytest.fixture
def quantized() -> Quantized:
    return quantize(network(), read_profile("loihi2"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose environment is this Python, which is enough for a stand-in."""
    folder = tmp_path / "home" / "lava-0.10.0-py3.11"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    (folder / "ready.json").write_text(json.dumps({"lava": "0.10.0", "python": "3.11"}))
    monkeypatch.setenv("MEP_NEURO_HOME", str(tmp_path / "home"))
    return tmp_path


def stand_in(home: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    copytree(bundle.RUNNER, home / "runner")
    (home / "runner" / "run_bundle.py").write_text(code)
    monkeypatch.setattr(bundle, "RUNNER", home / "runner")


def session(quantized: Quantized, told: list[tuple[int, int]], time_limit: float = 30.0) -> None:
    bias = np.zeros((2, 5), np.int32)
    run_session(quantized, bias, 4, time_limit=time_limit, progress=lambda *step: told.append(step))


def test_a_runner_that_hangs_is_told_of_and_its_progress_was_seen(
    home: Path, monkeypatch: pytest.MonkeyPatch, quantized: Quantized
) -> None:
    stand_in(home, monkeypatch, "import time; print('step 1 of 4', flush=True); time.sleep(60)")
    told: list[tuple[int, int]] = []
    message = (
        r"^lava: no answer within 0\.7 s; give fewer samples or a longer time limit, or see the cause in the "
        r"lines below\n  its last lines:\n  step 1 of 4$"
    )
    with pytest.raises(BackendFailedError, match=message):
        session(quantized, told, time_limit=0.7)
    assert told == [(1, 4)]


def test_a_runner_that_crashes_shows_its_traceback(
    home: Path, monkeypatch: pytest.MonkeyPatch, quantized: Quantized
) -> None:
    stand_in(home, monkeypatch, "raise MemoryError('planted')")
    with pytest.raises(
        BackendFailedError, match=r"(?s)^lava: its process ended with code 1; .*MemoryError: planted"
    ):
        session(quantized, [])


@pytest.mark.parametrize(
    "result", ["", "np.savez(out, s=0)", "open(out, 'wb').write(b'PK' + bytes([3, 4, 0]))"]
)
def test_a_runner_without_a_result_is_told_of(
    home: Path, monkeypatch: pytest.MonkeyPatch, quantized: Quantized, result: str
) -> None:
    stand_in(
        home, monkeypatch, f"import sys, numpy as np\nout = sys.argv[sys.argv.index('--out') + 1]\n{result}"
    )
    with pytest.raises(
        BackendFailedError, match=r"^lava: it ended without a result \(.*\); give fewer samples"
    ):
        session(quantized, [])


def test_without_lava_the_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEP_NEURO_HOME", str(tmp_path))
    with pytest.raises(BackendMissingError, match=r"not installed; run: mep-neuro backend install lava"):
        run(network(), np.zeros((1, 2)), RunOptions())


def test_no_samples_are_refused(home: Path) -> None:
    with pytest.raises(StimulusError, match=r"^lava: 0 samples; give at least 1$"):
        run(network(), np.zeros((0, 2)), RunOptions())


def test_a_time_that_is_over_is_an_error(home: Path) -> None:
    with pytest.raises(
        BackendFailedError, match=r"^lava: the time limit was over before it could start; give a longer one"
    ):
        run(network(), np.zeros((1, 2)), RunOptions(time_limit=0.0))
