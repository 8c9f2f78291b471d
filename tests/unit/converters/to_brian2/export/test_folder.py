"""The exported script: that it runs without this package, and finds the reference's rates."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mep_neuro.converters.to_brian2.export import arrays, script
from mep_neuro.converters.to_brian2.export.folder import export
from mep_neuro.converters.to_brian2.export.units import units
from mep_neuro.equilibrium.backend import run
from mep_neuro.errors import BackendFailedError, BundleError, UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.override import network_with_neuron
from mep_neuro.simulation.recording import RunOptions
from mep_neuro.topology.reader import read_spec

pytestmark = pytest.mark.timeout(300)  # an export runs two processes of Brian2, 4 s of CPU each
FEATURES = np.random.default_rng(5).random((2, 18))
ALONE = """
import sys, runpy
sys.modules["mep_neuro"] = None
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def network(neuron: str = "rate", **changes: Any) -> Network:
    """Each kind of projection that becomes Synapses; feedback gains, random feedback, a softmax read-out."""
    mapping: dict[str, Any] = {
        "name": "every-connector",
        "neurons": {"unit": {"model": neuron}},
        "populations": {
            "input": {"shape": [2, 3, 3], "role": "input"},
            "cube": {"shape": [2, 3, 3], "neuron": "unit", "bias": 0.1},
            "maps": {"shape": [3, 1, 1], "neuron": "unit", "bias": 0.3},
            "class": {"shape": [4], "neuron": "unit", "bias": 0.4},
            "output": {"shape": [2], "role": "output", "activation": "softmax"},
        },
        "projections": {
            "in": {"pre": "input", "post": "cube", "connector": {"type": "one_to_one"}},
            "lattice": {"pre": "cube", "post": "cube", "connector": {"type": "lattice", "neighbours": 6}},
            "pooled": {"pre": "cube", "post": "maps", "connector": {"type": "conv2d", "pool": 3}},
            "some": {"pre": "maps", "post": "class", "connector": {"type": "sparse", "probability": 0.7}},
            "back": {"pre": "cube", "post": "class", "connector": {"type": "dense"}, "feedback": "random"},
            "out": {"pre": "class", "post": "output", "connector": {"type": "dense"}},
        },
        "equilibrium": {"slots": 40, "nudge": {"cost": "cross_entropy"}},
    }
    for name in ("in", "lattice", "pooled", "back"):
        mapping["projections"][name]["weight"] = {"init": "normal", "gain": 0.3}
    for name in ("pooled", "back"):
        mapping["projections"][name]["feedback_gain"] = 0.7
    return build(read_spec({**mapping, **changes}), 3)


def alone(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The script in a process that cannot import this package."""
    command = [sys.executable, "-c", ALONE, "network.py", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_the_script_runs_alone_and_refuses_other_weights(tmp_path: Path) -> None:
    made = export(network("sif"), tmp_path / "net", features=FEATURES)
    assert sorted(p.name for p in made.path.iterdir()) == ["golden.npz", "network.py", "weights.npz"]
    assert made.output in (made.path / "network.py").read_text().replace("\n    ", "\n")
    assert list(tmp_path.iterdir()) == [made.path]
    done = alone(made.path)
    assert (done.returncode, done.stdout) == (0, made.output), done.stderr
    numbers = dict(np.load(made.path / "weights.npz"))
    numbers["pooled.w"] = numbers["pooled.w"] * 1.01
    np.savez(made.path / "weights.npz", **numbers)
    wrong = alone(made.path)
    assert wrong.returncode == 1
    assert "network.py: the rates differ from golden.npz by " in wrong.stdout


@pytest.mark.slow  # two processes of Brian2 each
@pytest.mark.parametrize("neuron", ["rate", "lif", "sigma_delta", "annealed_sigma_delta"])
def test_every_neuron_model_and_projection(neuron: str, tmp_path: Path) -> None:
    made = export(network(neuron), tmp_path / "net", features=FEATURES)
    golden = np.load(made.path / "golden.npz")
    names = [f"{kind}.{p}" for kind in ("same_steps", "fixed_point") for p in network().populations]
    assert set(golden) == {"features", *(name for name in names if not name.endswith(".input"))}
    np.savez(tmp_path / "own.npz", features=FEATURES[:1])
    done = alone(made.path, str(tmp_path / "own.npz"))
    best = golden["same_steps.output"][:1].argmax(axis=1)
    assert (done.returncode, done.stdout) == (0, f"largest output: {best[0]}\n"), done.stderr
    np.savez(tmp_path / "own.npz", features=FEATURES[:, :3])
    wrong = alone(made.path, str(tmp_path / "own.npz"))
    assert (wrong.returncode, wrong.stderr) == (1, "features have shape (2, 3); give (samples, 18)\n")


def test_the_stored_fixed_point_is_the_torch_reference_s() -> None:
    spiking = network("annealed_sigma_delta")
    options = RunOptions(tolerance=1e-10, max_steps=5000)
    fixed = run(network_with_neuron(spiking, "rate"), FEATURES, options).rates
    rates = arrays.same_steps(network(), FEATURES, 3000)
    assert all(np.abs(rates[name] - fixed[name]).max() < 1e-8 for name in fixed)


RARE = {
    "another read-out": ("w * (sample[i] - offset[i])", "w * (sample[i] + 1e-9)"),
    "one step less": ("DURATION = ", "DURATION = -DT + "),
}
PLANTED = {"no feedback": ("g * w * sent_post", "0 * w * sent_post"), **RARE}


@pytest.mark.parametrize("bug", ["no feedback", *(pytest.param(n, marks=pytest.mark.slow) for n in RARE)])
def test_a_script_that_misses_the_reference_is_not_put_in_place(
    bug: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = script.script

    def planted(*arguments: Any) -> str:
        text = written(*arguments)
        assert PLANTED[bug][0] in text
        return text.replace(*PLANTED[bug])

    monkeypatch.setattr("mep_neuro.converters.to_brian2.export.folder.script", planted)
    message = r"script failed: network\.py: the rates differ .*; nothing was written"
    with pytest.raises(BackendFailedError, match=message):
        export(network(), tmp_path / "net", features=FEATURES)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("")
    with pytest.raises(BundleError, match=r"exists, and may have been edited; give a new folder"):
        export(network(), tmp_path)


def test_what_brian2_cannot_express_is_refused_by_name(tmp_path: Path) -> None:
    inhibited = read_spec("digits_mlp").to_mapping()
    inhibited["populations"]["hidden"]["sparsity"] = 8
    with pytest.raises(UnsupportedError, match=r"population 'hidden': .*sparsity"):
        export(build(read_spec(inhibited), 0), tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


def test_a_spiking_unit_is_written_without_its_nudge() -> None:
    made = network("sif")
    text = units(made, made.populations["cube"], [])
    assert "nudge" not in text.equations + text.slot
    assert "drive + i_syn" in text.slot
