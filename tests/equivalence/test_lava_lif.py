"""Lava's stock LIF processes against the emulator: counts of spikes, currents and membranes."""

import subprocess
from itertools import pairwise
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest

from mep_neuro.chip.backend import run as run_emulator
from mep_neuro.chip.lif import backend as lif_backend
from mep_neuro.chip.lif.quantize import quantize_lif
from mep_neuro.chip.profile import read_profile
from mep_neuro.converters.to_lava import bundle, bundle_lif
from mep_neuro.converters.to_lava.backend import convert, run
from mep_neuro.converters.to_lava.environment import LavaEnvironment, find
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.recording import RunOptions
from mep_neuro.topology.spec import NetworkSpec


@pytest.fixture(autouse=True, scope="module")
def environment() -> LavaEnvironment:
    found = find()
    if found is None:
        pytest.skip("lava environment not installed: run mep-neuro backend install lava")
    return found


def layered(seed: int) -> Network:
    sizes = {"input": 5, "a": 8, "b": 6, "out": 3}
    roles = {"input": {"role": "input"}, "out": {"role": "output"}}
    populations: dict[str, Any] = {
        name: {"shape": [size]} | roles.get(name, {}) for name, size in sizes.items()
    }
    for name in ("a", "b", "out"):
        populations[name] |= {"neuron": "u", "bias": 0.3}
    projections = {
        f"{pre}_{post}": {"pre": pre, "post": post, "connector": {"type": "dense"}}
        for pre, post in pairwise(sizes)
    }
    projections["b_out"]["weight"] = {"gain": 0.1}  # small: held finer, with an exponent of their own
    neurons = {"u": {"activation": "hard_sigmoid"}}
    mapping = {"name": "tested", "neurons": neurons, "populations": populations, "projections": projections}
    return build(NetworkSpec.model_validate(mapping), seed=seed)


def bundle_run(environment: LavaEnvironment, path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(environment.python), str(path / "run_bundle.py"), str(path), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("populations", ["merged", pytest.param("separate", marks=pytest.mark.slow)])
def test_a_bundle_of_stock_lif_processes_checks_itself(
    populations: str, environment: LavaEnvironment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bundle_lif, "GOLDEN_STEPS", 80)
    convert(layered(12), tmp_path / "b", neuron="lif", populations=populations)
    done = bundle_run(environment, tmp_path / "b", "--check")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("golden run: 0 mismatches of") == 3


def test_stock_lif_spikes_as_the_emulator_and_an_altered_threshold_is_caught(
    environment: LavaEnvironment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for module in (lif_backend, bundle_lif):
        monkeypatch.setattr(module, "WARM_UP", 64)
        monkeypatch.setattr(module, "COUNTED", 256)
    options = RunOptions(neuron="lif", widths={"weight_bits": 5})
    assert quantize_lif(layered(13), read_profile("loihi2"), weight_bits=5).synapse_exponents.min() < -1
    x = np.random.default_rng(6).random((2, 5))
    own = run(layered(13), x, options)
    assert own.counts["lava_mismatches"] == 0
    assert own.counts["spikes_per_neuron"] > 0.5
    expected = run_emulator(layered(13), x, options)
    for name in ("a", "b", "out"):
        np.testing.assert_array_equal(own.rates[name], expected.rates[name])
    copytree(bundle.RUNNER, tmp_path / "runner")
    file = tmp_path / "runner" / "lif_network.py"
    text, good = file.read_text(), '**bundle.manifest["registers"],'
    assert text.count(good) == 1
    file.write_text(text.replace(good, '**{**bundle.manifest["registers"], "du": 4095},'))
    monkeypatch.setattr(bundle, "RUNNER", tmp_path / "runner")
    assert run(layered(13), x, options).counts["lava_mismatches"] > 0


def test_a_run_configuration_that_is_not_there_is_refused(
    environment: LavaEnvironment, tmp_path: Path
) -> None:
    convert(layered(14), tmp_path / "b", neuron="lif")
    hardware = bundle_run(environment, tmp_path / "b", "--check", "--run-config", "Loihi2HwCfg")
    assert hardware.returncode == 2
    assert "needs the vendor's compiler (lava-loihi), which is not installed" in hardware.stderr
    missing = bundle_run(environment, tmp_path / "b", "--check", "--run-config", "Here")
    assert missing.returncode == 2
    assert (
        "--run-config Here: unknown; give one of Lava's: Loihi1HwCfg, Loihi1SimCfg, Loihi2HwCfg"
        in missing.stderr
    )
