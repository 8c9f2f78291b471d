"""Several back ends settle the same samples, and the report of a RUN shows them."""

from pathlib import Path

import numpy as np
import pytest

from mep_neuro.backends.comparison import compare_backends
from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.report import render_report
from mep_neuro.backends.run_folder import RunFolder
from mep_neuro.backends.run_report import run_report
from mep_neuro.errors import BackendMissingError, UnknownBackendError
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec

SAMPLES = 12


def test_real_back_ends_are_compared_with_the_reference_and_shown(tmp_path: Path) -> None:
    network, data = build(read_spec("digits_mlp")), load_data("digits")
    seen: list[tuple[str, int, int]] = []
    comparison = compare_backends(
        network,
        data.x_test[:SAMPLES],
        data.y_test[:SAMPLES],
        ["brian2", "loihi-emulator"],
        progress=lambda *step: seen.append(step),
    )
    assert list(comparison.recordings) == ["torch", "brian2", "loihi-emulator"]
    assert list(comparison.deviations) == ["brian2", "loihi-emulator"]
    # Both sides settle to 1e-11, and the map contracts: the states differ by a few times that.
    assert 0 < comparison.deviations["brian2"].max_abs < 1e-9
    # 8-bit weights and states: facts/loihi.md, 0.004 to 0.02 in the worst unit.
    assert 1e-5 < comparison.deviations["loihi-emulator"].max_abs < 0.05
    assert comparison.exceeding(1e-9) == ("loihi-emulator",)
    assert comparison.exceeding(0.05) == ()
    assert {name for name, _, _ in seen} >= {"brian2", "loihi-emulator"}

    with RunFolder.create(tmp_path / "run", network, {"data": "digits"}, data.identity) as run:
        page = render_report(run_report(run, data, comparison, commands=["mep-neuro compare"]))
    for text in (
        "the first 12 of 450",
        data.identity,
        "step-0",
        "brian2 2.",
        "8-bit step 1/256",
        "not trained",
    ):
        assert text in page


def test_names_are_checked_before_anything_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    network, one = build(read_spec("digits_mlp")), np.zeros((1, 64))

    def ran(name: str, done: int, total: int) -> None:
        raise AssertionError(name)

    with pytest.raises(UnknownBackendError, match="did you mean 'brian2'"):
        compare_backends(network, one, np.zeros(1, dtype=int), ["torch", "brain2"], progress=ran)
    monkeypatch.setenv("MEP_NEURO_HOME", str(tmp_path))
    message = "back end 'lava': its private environment is not installed; run: mep-neuro backend install lava"
    with pytest.raises(BackendMissingError, match=message):
        compare_backends(network, one, np.zeros(1, dtype=int), ["lava"], progress=ran)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("equilibrium_propagation", "learned digits by Equilibrium Propagation, without backpropagation."),
        ("backpropagation", "learned digits by backpropagation."),
    ],
)
def test_the_report_says_by_what_the_run_learned(rule: str, text: str, tmp_path: Path) -> None:
    network, data = build(read_spec("digits_mlp")), load_data("digits")
    comparison = compare_backends(network, data.x_test[:2], data.y_test[:2], [])
    with RunFolder.create(tmp_path, network, {"data": "digits", "rule": rule}, data.identity) as run:
        record = {"epoch": 1.0, "train_accuracy": 0.5}
        page = render_report(run_report(run.save(1, network.arrays(), {}, [record]), data, comparison))
    assert text in page
    assert ("No gradient is passed backwards" in page) is (rule == "equilibrium_propagation")
