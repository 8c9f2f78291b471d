"""Real Lava processes against the emulator: every register at every step, integer for integer."""

import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mep_neuro.chip.backend import run as run_emulator
from mep_neuro.chip.emulate import emulate
from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import Quantized, quantize
from mep_neuro.converters.to_lava import backend, bundle
from mep_neuro.converters.to_lava.backend import convert, count_mismatches, run
from mep_neuro.converters.to_lava.environment import LavaEnvironment, find
from mep_neuro.converters.to_lava.session import LavaTrace, run_session
from mep_neuro.errors import BackendFailedError
from mep_neuro.neurons.sigma_delta import SigmaDeltaState
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.recording import RunOptions
from mep_neuro.topology.spec import NetworkSpec

Ints = NDArray[np.int32]
STEPS, SAMPLES = 150, 4


@pytest.fixture(autouse=True, scope="module")
def environment() -> LavaEnvironment:
    found = find()
    if found is None:
        pytest.skip("lava environment not installed: run mep-neuro backend install lava")
    return found


def network(populations: dict[str, Any], projections: dict[str, Any], seed: int) -> Network:
    mapping = {
        "name": "tested",
        "neurons": {"u": {"activation": "hard_sigmoid"}},
        "populations": populations,
        "projections": projections,
    }
    source = build(NetworkSpec.model_validate(mapping), seed=seed)
    rng = np.random.default_rng(seed)
    arrays = source.arrays()
    for name in arrays:
        if name.endswith(".bias"):
            arrays[name] = rng.normal(0.3, 0.3, arrays[name].shape)
    return source.with_arrays(arrays)


def layered(seed: int, gain: float = 0.6) -> Network:
    sizes = {"input": 5, "a": 12, "b": 9, "out": 4}
    roles = {"input": "input", "out": "output"}
    populations = {
        name: {"shape": [size]} | ({"role": roles[name]} if name in roles else {})
        for name, size in sizes.items()
    }
    for name in ("a", "b", "out"):
        populations[name]["neuron"] = "u"
    weight = {"init": "normal", "gain": gain}
    projections = {
        f"{pre}_{post}": {"pre": pre, "post": post, "connector": {"type": "dense"}, "weight": weight}
        for pre, post in pairwise(sizes)
    }
    projections["a_b"]["feedback_gain"] = 0.5
    return network(populations, projections, seed)


def cube(seed: int) -> Network:
    lattice = {"type": "lattice", "neighbours": 26}
    return network(
        {
            "input": {"shape": [5], "role": "input"},
            "cube": {"shape": [4, 4, 4], "neuron": "u"},
            "out": {"shape": [3], "role": "output", "neuron": "u"},
        },
        {
            "in": {"pre": "input", "post": "cube[:, :, 0]", "connector": {"type": "dense"}},
            "lattice": {
                "pre": "cube",
                "post": "cube",
                "connector": lattice,
                "feedback_gain": 0.3,
                "weight": {"init": "normal", "spectral_radius": 0.8},
            },
            "up": {"pre": "cube[:, :, -1]", "post": "out", "connector": {"type": "dense"}},
        },
        seed,
    )


def uneven(seed: int) -> Network:
    """Layers whose second projection has weights of a tenth of the first's."""
    source = layered(seed)
    arrays = source.arrays()
    arrays["projections.b_out.weight"] = arrays["projections.b_out.weight"] / 10
    return source.with_arrays(arrays)


def random_bias(quantized: Quantized, seed: int, scale: float = 0.6) -> Ints:
    currents = np.random.default_rng(seed).normal(0.2, scale, (SAMPLES, quantized.size))
    return np.rint(currents * 2.0 ** (quantized.P - quantized.leak_shift)).astype(np.int32)


def emulated(quantized: Quantized, bias: Ints, steps: int = STEPS) -> SigmaDeltaState:
    trace = emulate(quantized, bias, steps=steps, trace=True).trace
    assert trace is not None
    return trace


def lava(
    quantized: Quantized,
    bias: Ints,
    steps: int = STEPS,
    time_limit: float = 60.0,
    populations: str = "merged",
) -> LavaTrace:
    return run_session(quantized, bias, steps, time_limit=time_limit, populations=populations)


def convolutional(seed: int) -> Network:
    convolution = {"type": "conv2d", "kernel": 3, "padding": 1}
    return network(
        {
            "input": {"shape": [5], "role": "input"},
            "a": {"shape": [2, 4, 4], "neuron": "u"},
            "b": {"shape": [3, 4, 4], "neuron": "u"},
            "out": {"shape": [3], "role": "output", "neuron": "u"},
        },
        {
            "in": {"pre": "input", "post": "a", "connector": {"type": "dense"}},
            "conv": {"pre": "a", "post": "b", "connector": convolution, "weight": {"gain": 0.5}},
            "up": {"pre": "b", "post": "out", "connector": {"type": "dense"}, "weight": {"gain": 0.5}},
        },
        seed,
    )


CASES: dict[str, tuple[Callable[[int], Network], dict[str, Any]]] = {
    "layers, 7 bits": (layered, {"state_bits": 7}),
    "layers, 8 bits, slow leak": (layered, {"state_bits": 8, "leak_shift": 4}),
    "layers, 10 bits, fast leak": (layered, {"state_bits": 10, "leak_shift": 1}),
    "layers, threshold 2": (layered, {"threshold": 2}),
    "layers, short messages": (layered, {"message_max": 3}),
    "layers, 5-bit weights": (layered, {"weight_bits": 5}),
    "layers, exponents of their own": (uneven, {"weight_bits": 4}),
    "layers, strong weights": (lambda seed: layered(seed, gain=3.0), {"state_bits": 8}),
    "convolution, unrolled": (convolutional, {}),
    "cube, 8 bits": (cube, {"state_bits": 8}),
    "cube, 10 bits, threshold 2": (cube, {"state_bits": 10, "threshold": 2}),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_every_register_is_the_emulators(case: str) -> None:
    make, settings = CASES[case]
    quantized = quantize(make(len(case)), read_profile("loihi2"), **settings)
    bias = random_bias(quantized, seed=1)
    expected, own = emulated(quantized, bias), lava(quantized, bias)
    assert np.count_nonzero(expected.m) > 10 * SAMPLES  # there is something to compare
    for name, register in {"s": own.s, "v": own.v, "sigma": own.sigma}.items():
        np.testing.assert_array_equal(register, getattr(expected, name), err_msg=name)
    np.testing.assert_array_equal(own.messages, expected.m)
    assert count_mismatches(own, expected) == 0


def overflowing(quantized: Quantized) -> Quantized:
    """Weights that `quantize` would refuse: the sum of a row leaves its 24 bits."""
    weight = quantized.weight.copy()
    weight.data[:] = 254 >> -quantized.synapse_exponents
    return replace(quantized, weight=weight, state_bits=14, message_max=1 << 14)


def test_wrapping_and_clipping_registers_are_the_emulators() -> None:
    quantized = overflowing(quantize(layered(3), read_profile("loihi2"), state_bits=10))
    bias = np.random.default_rng(0).integers(
        -(1 << 23) + 1, 1 << 23, (SAMPLES, quantized.size), dtype=np.int32
    )
    expected, own = emulated(quantized, bias), lava(quantized, bias)
    raw = np.einsum("ij,tsj->tsi", quantized.weight.toarray().astype(np.int64), expected.s[:-1])
    assert (np.abs(raw) > 1 << 23).any()  # a sum wrapped
    assert (np.abs(expected.v) == (1 << 23) - 1).any()  # a membrane was clipped, on either side
    assert count_mismatches(own, expected) == 0


def test_one_altered_weight_is_caught() -> None:
    quantized = quantize(layered(4), read_profile("loihi2"))
    weight = quantized.weight.copy()
    weight.data[np.argmax(np.abs(weight.data))] //= 4
    bias = random_bias(quantized, seed=2)
    own = lava(replace(quantized, weight=weight), bias)
    assert count_mismatches(own, emulated(quantized, bias)) > 0


def test_a_lost_exponent_is_caught() -> None:
    quantized = quantize(uneven(5), read_profile("loihi2"), weight_bits=4)
    assert quantized.synapse_exponents.min() <= -3
    bias = random_bias(quantized, seed=3)
    own = lava(replace(quantized, synapse_exponents=np.zeros_like(quantized.synapse_exponents)), bias)
    assert count_mismatches(own, emulated(quantized, bias)) > 0


def plant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, good: str, bad: str) -> None:
    """Change a line of the process model in the bundles that are written from now on."""
    copytree(bundle.RUNNER, tmp_path / "runner")
    file = tmp_path / "runner" / "ep_sigma_delta.py"
    text = file.read_text()
    assert text.count(good) == 1
    file.write_text(text.replace(good, bad))
    monkeypatch.setattr(bundle, "RUNNER", tmp_path / "runner")


RUN_SPK = '        """One time step."""\n'
PLANTED = {
    "no rounding": ("(v + (1 << (self.ep_p - 1))) >>", "v >>"),
    "a leak rounded down": (
        "np.sign(v) * ((np.abs(v) * (4096 - self.ep_dv)) >> 12)", "(v * (4096 - self.ep_dv)) >> 12"
    ),
    "a threshold too strict": ("np.abs(change) < self", "np.abs(change) <= self"),
    "a bias forgotten": ("kept + sigma + self.ep_bias", "kept + sigma"),
}  # fmt: skip


@pytest.mark.parametrize("bug", sorted(PLANTED))
def test_another_arithmetic_is_caught(bug: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plant(monkeypatch, tmp_path, *PLANTED[bug])
    recording = run(layered(5), np.random.default_rng(1).random((3, 5)), RunOptions())
    assert recording.counts["lava_mismatches"] > 0


@pytest.mark.timeout(360)
def test_the_exported_bundle_checks_itself_and_catches_a_bug(
    environment: LavaEnvironment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def check(path: Path) -> subprocess.CompletedProcess[str]:
        command = [str(environment.python), str(path / "run_bundle.py"), str(path), "--check"]
        return subprocess.run(command, capture_output=True, text=True, timeout=110)

    convert(layered(6), tmp_path / "good")
    done = check(tmp_path / "good")
    assert done.returncode == 0, done.stderr
    assert "golden run: 0 mismatches of" in done.stdout
    plant(monkeypatch, tmp_path, *PLANTED["no rounding"])
    convert(layered(6), tmp_path / "bad")
    assert check(tmp_path / "bad").returncode == 1
    (tmp_path / "good" / "golden.npz").unlink()
    done = check(tmp_path / "good")
    assert (done.returncode, done.stdout) == (2, "")
    assert "golden.npz: the file is missing; export the bundle again" in done.stderr


def test_the_bundle_runs_by_hand_from_features(environment: LavaEnvironment, tmp_path: Path) -> None:
    source, x = layered(7), np.random.default_rng(2).random((3, 5))
    convert(source, tmp_path / "b")
    np.savez(tmp_path / "in.npz", features=x)
    files = ["--inputs", str(tmp_path / "in.npz"), "--out", str(tmp_path / "out.npz"), "--steps", "300"]
    command = [str(environment.python), str(tmp_path / "b" / "run_bundle.py"), str(tmp_path / "b"), *files]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    expected = run_emulator(source, x, RunOptions())
    with np.load(tmp_path / "out.npz") as out:
        for name in ("a", "b", "out"):
            np.testing.assert_array_equal(out[f"rates_{name}"], expected.rates[name])
        np.testing.assert_array_equal(out["classes"], expected.rates["out"].argmax(axis=1))


@pytest.mark.parametrize("elements", [backend.SESSION_ELEMENTS, 10_000], ids=["one session", "many sessions"])
def test_the_back_end_reports_what_lava_did(monkeypatch: pytest.MonkeyPatch, elements: int) -> None:
    monkeypatch.setattr(backend, "SESSION_ELEMENTS", elements)
    source, x = layered(8), np.random.default_rng(3).random((7, 5))
    told: list[tuple[int, int]] = []
    own = run(source, x, RunOptions(trace=True, progress=lambda done, total: told.append((done, total))))
    expected = run_emulator(source, x, RunOptions(trace=True))
    assert own.backend == "lava"
    assert own.counts["lava_mismatches"] == 0
    assert own.counts["messages_per_unit"] == expected.counts["messages_per_unit"]
    np.testing.assert_array_equal(own.steps, expected.steps)
    assert own.settled.all()
    assert expected.settled.all()
    length = int(expected.steps.max())
    assert own.residual_curve is not None
    assert expected.residual_curve is not None
    np.testing.assert_array_equal(own.residual_curve[:length], expected.residual_curve)
    for name in ("a", "b", "out"):
        np.testing.assert_array_equal(own.rates[name], expected.rates[name])
        np.testing.assert_array_equal(own.trace[name][:length], expected.trace[name])
    assert told == sorted(told)
    assert told[-1] == (7 * (length + 5), 7 * (length + 5))


def test_samples_that_never_settle_are_said_to() -> None:
    """More than the steps of the unsettled are not run in Lava; both agree so far."""
    own = run(layered(9), np.random.default_rng(4).random((2, 5)), RunOptions(max_steps=6))
    assert not own.settled.any()
    assert own.counts["lava_mismatches"] == 0
    assert any(
        "2 of 2 samples were not silent when Lava was stopped (2 in the emulator)" in n for n in own.notes
    )


def shared_memory() -> set[str]:
    """Shared memory that no living process has mapped: a run of Lava beside this one is not ours to count."""
    folder = Path("/dev/shm")
    names = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
    mapped = ""
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            mapped += maps.read_text(errors="replace")
        except OSError:
            continue  # it ended while we looked, or is another user's
    return {name for name in names if f"/dev/shm/{name}" not in mapped}


def test_the_count_of_shared_memory_sees_what_is_left_and_nothing_in_use() -> None:
    block = SharedMemory(create=True, size=16)
    assert block.name not in shared_memory()
    block.close()
    assert block.name in shared_memory()
    block.unlink()


def lava_processes(marker: str) -> list[str]:
    """Command lines of living processes that name this bundle's folder."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [line for line in lines if marker in line and "run_bundle.py" in line]


FAULTS = {
    "hangs": ("import time; time.sleep(600)", r"^lava: no answer within 4 s; give fewer samples or a longer"),
    "raises": (
        "raise ValueError('planted')",
        r"(?s)^lava: its process ended with code 1; .*ValueError: planted",
    ),
    "is killed": ("import os; os.kill(os.getpid(), 9)", r"(?s)^lava: .*ended before the run did"),
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_lava_process_that_fails_ends_readably_and_leaves_nothing(
    fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code, message = FAULTS[fault]
    plant(monkeypatch, tmp_path, RUN_SPK, RUN_SPK + f"        if self.time_step == 5: {code}\n")
    short = Path(tempfile.mkdtemp(dir="/tmp"))  # tmp_path is too long for Lava's sockets
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    quantized = quantize(layered(1), read_profile("loihi2"))
    before = shared_memory()
    with pytest.raises(BackendFailedError, match=message):
        lava(quantized, random_bias(quantized, seed=1), time_limit=4.0 if fault == "hangs" else 60.0)
    assert lava_processes(str(short)) == []
    assert shared_memory() - before == set()
    short.rmdir()  # refuses to where anything is left


def test_a_temporary_folder_of_a_long_name_is_avoided(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Lava's processes meet at a socket in the temporary folder; its path may have 107 bytes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("long" * 25)))
    Path(tempfile.gettempdir()).mkdir()
    quantized = quantize(layered(1), read_profile("loihi2"))
    assert lava(quantized, random_bias(quantized, seed=1), steps=3).s.shape == (3, SAMPLES, 25)


def test_separate_populations_give_the_merged_ones_integers() -> None:
    quantized = quantize(uneven(10), read_profile("loihi2"), weight_bits=5)
    assert quantized.synapse_exponents.any()
    bias = random_bias(quantized, seed=4)
    own = lava(quantized, bias, steps=60, populations="separate")
    assert count_mismatches(own, emulated(quantized, bias, steps=60)) == 0


def bundle_run(environment: LavaEnvironment, path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(environment.python), str(path / "run_bundle.py"), str(path), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_in_floating_point_it_settles_at_the_quantized_networks_own_fixed_point(
    environment: LavaEnvironment, tmp_path: Path
) -> None:
    source = uneven(11)
    quantized = quantize(source, read_profile("loihi2"))
    assert quantized.synapse_exponents.any()
    convert(source, tmp_path / "b")
    bias = random_bias(quantized, seed=5)
    np.savez(tmp_path / "in.npz", bias=bias)
    files = ["--inputs", str(tmp_path / "in.npz"), "--out", str(tmp_path / "out.npz"), "--steps", "400"]
    done = bundle_run(environment, tmp_path / "b", "--precision", "float", *files)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "out.npz") as out:
        s = out["s"]
    target = np.ldexp(s @ quantized.weight.toarray().T + bias, quantized.leak_shift - quantized.p)
    np.testing.assert_allclose(s, np.clip(target, 0, quantized.s_max), atol=1e-6)
    fixed = emulate(quantized, bias).s
    assert 0.01 < np.abs(s - fixed).max() < 3  # the rounding of the state, and nothing else
    refused = bundle_run(environment, tmp_path / "b", "--check", "--precision", "float")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--check compares integers; leave --precision float out" in refused.stderr
