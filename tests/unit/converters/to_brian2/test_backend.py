"""Conversion and settling: what a Brian2 user sees, what is refused, and what stays untouched."""

import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import brian2 as b2
import numpy as np
import pytest
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.backend import convert, run
from mep_neuro.errors import BackendMissingError, StimulusError, UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.recording import RunOptions
from mep_neuro.topology.spec import NetworkSpec

DENSE = {"type": "dense"}


def layers(
    hidden: str = "hidden", out: str = "out", *, activation: str = "hard_sigmoid", gain: float = 0.5
) -> Network:
    return build(
        NetworkSpec.model_validate(
            {
                "name": "layers",
                "neurons": {"unit": {"activation": activation}},
                "populations": {
                    "input": {"shape": [3], "role": "input"},
                    hidden: {"shape": [4], "neuron": "unit", "bias": 0.3},
                    "output": {"shape": [2], "role": "output", "neuron": "unit"},
                },
                "projections": {
                    "in": {"pre": "input", "post": hidden, "connector": DENSE},
                    out: {
                        "pre": hidden,
                        "post": "output",
                        "connector": DENSE,
                        "feedback_gain": 0.4,
                        "weight": {"gain": gain},
                    },
                },
            }
        )
    )


FEATURES = np.random.default_rng(0).random((3, 3))


def test_the_objects_are_brian2s_own_and_carry_the_names_of_the_file() -> None:
    network = layers()
    model = convert(network, samples=3)
    assert isinstance(model.network, b2.Network)
    assert isinstance(model.populations["hidden"], b2.NeuronGroup)
    assert isinstance(model.projections["out"], b2.Synapses)
    assert {o.name for o in model.network.objects} >= {"hidden", "output", "out"}
    assert (len(model.populations["hidden"]), len(model.projections["out"])) == (12, 24)
    assert "v" in model.populations["hidden"].equations.diff_eq_names
    assert model.populations["hidden"].tau_mem == 5 * b2.ms


def test_sample_b_of_unit_i_is_neuron_b_n_plus_i() -> None:
    network = layers()
    synapses = convert(network, samples=3).projections["out"]
    dense = np.zeros((6, 12))
    dense[synapses.j[:], synapses.i[:]] = synapses.w[:]
    assert np.array_equal(dense, np.kron(np.eye(3), network.projections["out"].weight))


def test_a_projection_is_found_by_its_ends() -> None:
    model = convert(layers())
    assert model.projections["hidden->output"] is model.projections["out"]
    assert list(model.projections) == ["out"]
    with pytest.raises(KeyError, match="'in': does not settle, so it has no Synapses; see `report`"):
        model.projections["in"]
    with pytest.raises(KeyError, match="'output->hidden': unknown; known: out"):
        model.projections["output->hidden"]


def test_parallel_projections_are_found_by_name_only() -> None:
    mapping = layers().spec.to_mapping()
    mapping["projections"]["again"] = mapping["projections"]["out"]
    model = convert(build(NetworkSpec.model_validate(mapping)))
    with pytest.raises(KeyError, match="'hidden->output': 2 of them; write one of out, again"):
        model.projections["hidden->output"]


def test_the_report_says_what_is_kept_outside() -> None:
    report = convert(layers()).report
    assert (report.target, report.approximated) == ("brian2", ())
    assert report.dropped == ("population 'input' (clamped; in): folded into a constant drive",)
    assert "projection 'out': tied weights, feedback gain 0.4" in report.exact


def test_a_monitor_added_before_the_run_records_every_step() -> None:
    model = convert(layers(), samples=3)
    monitor = b2.StateMonitor(model.populations["hidden"], "r", record=True)
    model.network.add(monitor)
    recording = model.run(FEATURES, 10 * b2.ms, trace=True)
    assert monitor.r.shape == (12, 10)
    # The monitor looks at the start of a step, the trace at its end.
    assert np.array_equal(monitor.r[:, 1:].T.reshape(9, 3, 4), recording.trace["hidden"][:-1])
    assert np.allclose(monitor.t / b2.ms, np.arange(10))


def test_a_user_can_run_the_network_by_hand() -> None:
    model = convert(layers(), samples=3)
    recording = model.run(FEATURES, 0.03)
    model.present(FEATURES)
    before = b2.prefs.codegen.target
    b2.prefs.codegen.target = "numpy"
    try:
        model.network.run(30 * b2.ms)
    finally:
        b2.prefs.codegen.target = before
    assert np.array_equal(model.rates()["output"], recording.rates["output"])


def test_a_second_run_starts_from_rest_and_repeats_the_first() -> None:
    model = convert(layers(), samples=3)
    first, second = (model.run(FEATURES, 0.05, trace=True) for _ in range(2))
    assert np.array_equal(first.trace["hidden"], second.trace["hidden"])
    assert len(model.network.objects) == 3  # 2 groups and the Synapses: no trace or watch is left behind


def test_each_sample_has_its_own_steps_and_the_run_stops_when_all_have_settled() -> None:
    recording = run(layers(), FEATURES * np.array([[1.0], [0.1], [0.0]]), RunOptions(tolerance=1e-6))
    curve = recording.residual_curve
    assert curve is not None
    assert recording.settled.all()
    for sample, steps in enumerate(recording.steps):
        assert (curve[steps - 1 :, sample] <= 1e-6).all()
        assert curve[steps - 2, sample] > 1e-6
    assert recording.steps.max() == len(curve)
    assert len(set(recording.steps.tolist())) > 1
    assert recording.counts == {"neurons": 6.0, "synapses": 8.0}


def test_a_run_that_does_not_settle_says_so() -> None:
    recording = run(layers(), FEATURES, RunOptions(tolerance=1e-12, max_steps=7))
    assert not recording.settled.any()
    assert recording.steps.tolist() == [7, 7, 7]


def test_a_run_that_diverges_ends_and_says_so() -> None:
    network = layers(activation="relu", gain=30.0)
    recording = run(network, FEATURES, RunOptions(max_steps=20_000))
    assert not recording.settled.any()
    assert recording.residual_curve is not None
    assert len(recording.residual_curve) < 20_000
    assert recording.notes[-1] == "3 of 3 samples diverged; lower the weights or the gains"


def test_progress_is_told_and_ends_at_its_total() -> None:
    calls: list[tuple[int, int]] = []
    options = RunOptions(max_steps=500, progress=lambda done, most: calls.append((done, most)))
    recording = run(layers(), FEATURES, options)
    assert calls[0] == (20, 500)
    assert calls[-1] == (recording.steps.max(), recording.steps.max())


def test_brian2s_own_report_is_passed_on() -> None:
    calls: list[float] = []
    convert(layers(), samples=3).run(FEATURES, 0.01, report=lambda *now: calls.append(now[1]))
    assert calls[-1] == 1.0


@cache
def rates_of_hidden() -> NDArray[np.float64]:
    return convert(layers(), samples=3).run(FEATURES, 0.02).rates["hidden"]


@pytest.mark.parametrize("name", ["e", "i", "t", "cm", "x_post", "_a", "hidden-1", "out", "v"])
def test_any_name_of_the_file_becomes_an_object(name: str) -> None:
    model = convert(layers(hidden=name, out=name), samples=3)
    recording = model.run(FEATURES, 0.02)
    assert np.array_equal(recording.rates[name], rates_of_hidden())
    assert model.projections[name].name != model.populations[name].name


def globals_of_brian2() -> dict[str, Any]:
    preferences = {key: b2.prefs[key] for key in b2.prefs}
    state = np.random.get_state()[1]
    return {
        **preferences,
        "defaultclock": float(b2.defaultclock.dt),
        "device": b2.get_device(),
        "seed": bytes(memoryview(np.ascontiguousarray(state))),
        "errors": np.geterr(),
    }


def test_nothing_global_changes() -> None:
    before = globals_of_brian2()
    convert(layers(), samples=3).run(FEATURES, 0.01, trace=True)
    assert globals_of_brian2() == before
    assert b2.collect() == set()


def test_nothing_global_changes_when_a_run_is_interrupted() -> None:
    def stop(done: int, most: int) -> None:
        raise KeyboardInterrupt

    before = globals_of_brian2()
    model = convert(layers(), samples=3)
    with pytest.raises(KeyboardInterrupt):
        model.run(FEATURES, 0.1, progress=stop)
    assert globals_of_brian2() == before
    assert len(model.network.objects) == 3


def test_the_target_is_the_models_own_whatever_the_preference() -> None:
    before = b2.prefs.codegen.target
    b2.prefs.codegen.target = "cython"
    seen: list[set[str]] = []
    try:
        model = convert(layers(), samples=3)
        look = b2.NetworkOperation(lambda: seen.append(code_classes(model.network)), dt=1 * b2.ms)
        model.network.add(look)
        model.network.run(2 * b2.ms)  # by hand: compiles if one object is left to the preference
        model.run(FEATURES, 0.002)
        assert b2.prefs.codegen.target == "cython"
    finally:
        b2.prefs.codegen.target = before
    assert seen == [{"numpy"}] * 4


def code_classes(network: Any) -> set[str]:
    """Classes of the code objects of a running network."""
    return {code.class_name for part in network.sorted_objects for code in part.code_objects}


def test_importing_the_converter_does_not_import_brian2() -> None:
    code = "import sys, mep_neuro.converters.to_brian2.backend; sys.exit('brian2' in sys.modules)"
    assert in_a_python_of_its_own(code).returncode == 0


REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: convert(layers(), samples=2).run(FEATURES, 0.01),
        StimulusError,
        "brian2: 3 presentations to a network converted for 2; convert with samples=3",
    ),
    (lambda: convert(layers(), samples=0), StimulusError, "brian2: 0 samples; give at least 1"),
    (
        lambda: run(layers(), np.zeros((2, 5)), RunOptions()),
        StimulusError,
        "population 'input': features have shape (2, 5); give (samples, 3)",
    ),
    (
        lambda: convert(layers(), dt=0.006),
        UnsupportedError,
        "population 'hidden': dt 0.006 s is not in (0, tau_mem = 0.005 s], where Euler steps are stable; "
        "change equilibrium.dt",
    ),
    (
        lambda: convert(layers(), dt=0.0),
        UnsupportedError,
        "population 'hidden': dt 0 s is not in (0, tau_mem",
    ),
    (
        lambda: convert(layers(), target="cpp"),
        UnsupportedError,
        "brian2: unknown code generation target 'cpp'; use numpy, cython, cpp_standalone or auto",
    ),
]


@pytest.mark.parametrize(("act", "error", "message"), REFUSED, ids=[m for _, _, m in REFUSED])
def test_mistakes_are_refused(act: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        act()


def in_a_python_of_its_own(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_another_device_is_refused_until_it_is_set_back() -> None:
    done = in_a_python_of_its_own(
        "import brian2\n"
        "from mep_neuro.converters.to_brian2.objects import require_runtime\n"
        "from mep_neuro.errors import UnsupportedError\n"
        "brian2.set_device('cpp_standalone', build_on_run=False)\n"
        "try:\n    require_runtime(brian2)\nexcept UnsupportedError as error:\n    print(error)\n"
        "brian2.set_device('runtime')\n"
        "require_runtime(brian2)\n"
    )
    message = (
        "brian2: another device than 'runtime' is set; call brian2.set_device('runtime'), or convert with "
        "target='cpp_standalone'\n"
    )
    assert (done.stdout, done.returncode) == (message, 0), done.stderr


def test_a_missing_brian2_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brian2", None)  # what Python itself does for a name that is blocked
    message = "brian2: not installed; pip install 'mep-neuro[brian2]'"
    with pytest.raises(BackendMissingError, match=re.escape(message)):
        convert(layers())


def test_a_brian2_that_numpy_breaks_is_named_with_its_command(tmp_path: Path) -> None:
    """A module that fails as Brian2 2.9 does with numpy 2.4, in a Python of its own."""
    (tmp_path / "brian2.py").write_text("import numpy\nnumpy.ndarray.gone_in_2_4\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from mep_neuro.converters.to_brian2.objects import import_brian2\n"
        "import_brian2()\n"
    )
    done = in_a_python_of_its_own(code)
    last = done.stderr.strip().splitlines()[-1]
    message = rf"BackendMissingError: brian2: cannot be imported with numpy {re.escape(np.__version__)} \("
    assert re.search(message + r".*gone_in_2_4.*\); pip install 'mep-neuro\[brian2\]'", last), done.stderr
