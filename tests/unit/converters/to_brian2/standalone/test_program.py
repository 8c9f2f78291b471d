"""Standalone programs: compiled once, told weights and data, and nothing of the user's is touched.

One small program serves most tests: a build costs about 8 s of CPU.
"""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import brian2 as b2
import numpy as np
import pytest
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.backend import convert
from mep_neuro.converters.to_brian2.converted import Converted
from mep_neuro.converters.to_brian2.standalone import compiler
from mep_neuro.errors import BackendFailedError, BackendMissingError, StimulusError, UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.topology.spec import NetworkSpec

FEATURES = np.random.default_rng(0).random((3, 3))
# The sums are the same products in another order.
ROUNDING = 1e-14


def layers(seed: int = 0, hidden: int = 5) -> Network:
    dense = {"type": "dense"}
    mapping: dict[str, Any] = {
        "name": "layers",
        "populations": {
            "input": {"shape": [3], "role": "input"},
            "e": {"shape": [hidden], "bias": 0.3},
            "output": {"shape": [2], "role": "output"},
        },
        "projections": {
            "in": {"pre": "input", "post": "e", "connector": dense},
            "i": {"pre": "e", "post": "output", "connector": dense, "feedback_gain": 0.4},
            "some": {"pre": "e", "post": "output", "connector": {"type": "sparse", "probability": 0.5}},
        },
    }
    mapping["projections"]["some"]["feedback_gain"] = 0.4
    return build(NetworkSpec.model_validate(mapping), seed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("standalone") / "program"


@pytest.fixture(scope="module")
def before() -> dict[str, Any]:
    return globals_of_brian2()


@pytest.fixture(scope="module")
def model(folder: Path, before: dict[str, Any]) -> Converted:
    made = convert(layers(), samples=3, target="cpp_standalone", connectivity="dense", directory=folder)
    with made.making():
        monitor = b2.StateMonitor(made.populations["e"], "v", record=True, name="seen")
        made.network.add(monitor)
    made.run(FEATURES, 0.02)
    return made


def numpy_run(network: Network, features: NDArray[np.float64] = FEATURES, duration: float = 0.02) -> Any:
    return convert(network, samples=3).run(features, duration, trace=True)


def globals_of_brian2() -> dict[str, Any]:
    return {
        **{key: b2.prefs[key] for key in b2.prefs},
        "defaultclock": float(b2.defaultclock.dt),
        "device": b2.get_device(),
        "directory": Path.cwd(),
        "seed": bytes(memoryview(np.ascontiguousarray(np.random.get_state()[1]))),
    }


def test_it_runs_as_on_numpy_and_says_where_it_lies(model: Converted, folder: Path) -> None:
    found, expected = model.run(FEATURES, 0.02), numpy_run(layers())
    for name, rates in expected.rates.items():
        assert np.abs(found.rates[name] - rates).max() <= ROUNDING
    assert np.array_equal(found.steps, expected.steps)
    assert np.array_equal(found.settled, expected.settled)
    assert found.notes[:2] == ("target cpp_standalone", f"built the program in {folder}")
    assert "projection 'i': tied weights, feedback gain 0.4, as a dense product in C++" in model.report.exact


def test_nothing_global_changes(model: Converted, before: dict[str, Any]) -> None:
    model.run(FEATURES, 0.003)
    assert globals_of_brian2() == before
    assert b2.collect() == set()


def test_another_device_of_the_user_stays(model: Converted) -> None:
    b2.set_device("cpp_standalone", build_on_run=False)
    try:
        theirs = b2.get_device()
        arrays = set(theirs.arrays.values())
        model.run(FEATURES, 0.002)
        convert(layers(), target="cpp_standalone")
        assert b2.get_device() is theirs
        assert set(theirs.arrays.values()) == arrays
    finally:
        b2.set_device("runtime")
        b2.all_devices["cpp_standalone"].reinit()


def test_other_data_and_another_duration_need_no_build(model: Converted, folder: Path) -> None:
    built = (folder / "main").stat().st_mtime_ns
    found, expected = model.run(FEATURES[::-1], 0.007), numpy_run(layers(), FEATURES[::-1], 0.007)
    assert np.abs(found.rates["output"] - expected.rates["output"]).max() <= ROUNDING
    assert (folder / "main").stat().st_mtime_ns == built


def test_a_monitor_that_a_user_adds_sees_every_step(model: Converted) -> None:
    model.run(FEATURES, 0.009)
    (monitor,) = (part for part in model.network.objects if part.name == "seen")
    expected = numpy_run(layers(), duration=0.009).trace["e"]
    seen = layers().populations["e"].rate(model.steps(monitor.v))
    assert seen.shape == (9, 3, 5)
    assert np.abs(seen[1:] - expected[:-1]).max() <= ROUNDING
    assert np.allclose(monitor.t / b2.ms, np.arange(9))


def test_other_weights_are_told(model: Converted) -> None:
    network = trained()
    found, expected = model.with_weights(network).run(FEATURES, 0.02), numpy_run(network)
    assert np.abs(found.rates["output"] - expected.rates["output"]).max() <= ROUNDING
    assert np.abs(found.rates["output"] - model.run(FEATURES, 0.02).rates["output"]).max() > 0.01


def trained() -> Network:
    arrays = layers().arrays()
    return layers().with_arrays({name: 0.5 * array + 0.1 for name, array in arrays.items()})


def test_weights_of_other_synapses_are_refused(model: Converted) -> None:
    with pytest.raises(StimulusError, match="projection 'some' has other synapses in the network given"):
        model.with_weights(layers(seed=1))


def test_a_run_waits_for_a_tolerance(model: Converted, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnsupportedError, match="'seen' would see only the last part of a run that waits"):
        model.run(FEATURES, 10.0, tolerance=1e-9)
    monkeypatch.setattr("mep_neuro.converters.to_brian2.standalone.settle.CHUNK", 7)
    parts = [part for part in model.network.objects if part.name != "seen"]
    calls: list[tuple[int, int]] = []
    waiting = replace(model, network=SimpleNamespace(objects=parts))
    found = waiting.run(FEATURES, 10.0, tolerance=1e-9, progress=lambda *now: calls.append(now))
    expected = convert(layers(), samples=3).run(FEATURES, 10.0, tolerance=1e-9)
    assert np.array_equal(found.steps, expected.steps)  # counted step by step, across the parts
    assert found.settled.all()
    last = -(-expected.steps.max() // 7) * 7
    assert calls == [*((done, 10_000) for done in range(7, last, 7)), (last, last)]


def test_the_same_program_is_not_built_again(folder: Path, model: Converted) -> None:
    built = (folder / "main").stat().st_mtime_ns
    again = convert(trained(), samples=3, target="cpp_standalone", connectivity="dense", directory=folder)
    with again.making():
        again.network.add(b2.StateMonitor(again.populations["e"], "v", record=True, name="seen"))
    found = again.run(FEATURES, 0.02)
    assert np.abs(found.rates["output"] - numpy_run(trained()).rates["output"]).max() <= ROUNDING
    assert (folder / "main").stat().st_mtime_ns == built
    assert found.notes[1] == f"the program was built before ({folder})"


def test_a_stale_folder_is_built_again_and_a_foreign_one_refused(
    folder: Path, model: Converted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiled(draft: Path, brian2: Any) -> None:
        shutil.copy2(folder / "main", draft / "main")

    monkeypatch.setattr("mep_neuro.converters.to_brian2.standalone.program.compile_project", compiled)
    stale = tmp_path / "stale"
    stale.mkdir()
    (stale / "mep_neuro.json").write_text(json.dumps({"digest": "another"}))
    (stale / "main").touch()
    other = convert(layers(hidden=6), samples=3, target="cpp_standalone", directory=stale)
    other.program.build(other.network, report="text")  # type: ignore[union-attr]  # a standalone has one
    assert other.program.built.note == (  # type: ignore[union-attr]
        f"{stale} held the program of another network or version: built again"
    )
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").touch()
    message = f"brian2: {foreign} holds something else than a program of this converter"
    with pytest.raises(BackendFailedError, match=re.escape(message)):
        convert(layers(hidden=6), samples=3, target="cpp_standalone", directory=foreign).run(FEATURES, 0.01)
    assert [file.name for file in foreign.iterdir()] == ["thesis.tex"]
    assert {file.name for file in tmp_path.iterdir()} == {"stale", "foreign"}  # no draft is left


def test_a_trace_must_be_known_when_it_is_built(model: Converted) -> None:
    with pytest.raises(UnsupportedError, match="records no trace; convert with trace=True"):
        model.run(FEATURES, 0.01, trace=True)


def test_a_report_of_python_is_refused(model: Converted) -> None:
    with pytest.raises(UnsupportedError, match=r"is not possible in a standalone program; write 'text'"):
        model.run(FEATURES, 0.01, report=print)


def test_the_report_is_passed_through(model: Converted, capfd: pytest.CaptureFixture[str]) -> None:
    model.run(FEATURES, 0.01)
    assert capfd.readouterr().out == ""
    model.run(FEATURES, 0.01, report="text")
    assert "Starting simulation at t=0 s for duration 0.01 s" in capfd.readouterr().out


def test_a_monitor_of_another_device_is_refused(model: Converted) -> None:
    strange = b2.StateMonitor(model.populations["e"], "v", record=True, name="strange")
    network = SimpleNamespace(objects=[*model.network.objects, strange])
    with pytest.raises(UnsupportedError, match="'strange' was made on another device; make it inside"):
        replace(model, network=network).run(FEATURES, 0.01)


def test_a_missing_compiler_is_named_and_auto_goes_on_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mep_neuro.converters.to_brian2.choice.WORTH_A_BUILD", 0.0)
    monkeypatch.setattr(compiler.shutil, "which", lambda tool: None)
    for target in ("cython", "cpp_standalone"):
        message = (
            f"brian2: target '{target}' needs a C++ compiler, and 'make' and 'g++' is not found; install"
        )
        with pytest.raises(BackendMissingError, match=re.escape(message)):
            convert(layers(), target=target)
    auto = convert(layers(), samples=3, target="auto")
    assert auto.target == "numpy"
    (note,) = auto.notes
    assert re.search(r"target numpy \(auto: .* worth a compiler, but 'make' and 'g\+\+' is not found\)", note)
    assert note in auto.run(FEATURES, 0.01).notes


def test_auto_chooses_by_the_size_of_the_work() -> None:
    small = convert(layers(), samples=3, target="auto")
    assert small.target == "numpy"
    assert small.notes == ("target numpy (auto: 48 synapses for about 300 steps are not worth a compiler)",)
    assert convert(layers(), samples=3, target="auto", steps=10**9).target == "cpp_standalone"


def test_a_compiler_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "false")
    model = convert(layers(), samples=3, target="cpp_standalone", directory=tmp_path / "program")
    with pytest.raises(BackendFailedError, match="the standalone program cannot be compiled"):
        model.run(FEATURES, 0.01)
    assert not list(tmp_path.iterdir())
