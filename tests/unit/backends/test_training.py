"""Training into a RUN folder, or into memory alone."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mep_neuro.backends import training
from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.load import load
from mep_neuro.backends.run_folder import RunFolder
from mep_neuro.backends.training import predict_classes, train
from mep_neuro.equilibrium.learning.backprop import backpropagation
from mep_neuro.equilibrium.learning.trainer import Step, equilibrium_propagation
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.errors import DataError, RunFolderError, SettleError, UnsupportedError
from mep_neuro.topology.reader import read_spec

WHOLE = load_data("digits")
DATA = replace(
    WHOLE,
    x_train=WHOLE.x_train[:200],
    y_train=WHOLE.y_train[:200],
    x_test=WHOLE.x_test[:60],
    y_test=WHOLE.y_test[:60],
)
PER_EPOCH = 4


def test_epochs_and_updates_are_told() -> None:
    updates: list[tuple[int, int]] = []
    epochs: list[dict[str, float]] = []
    done = train(
        load("digits_mlp"),
        DATA,
        epochs=2,
        on_update=lambda now, total: updates.append((now, total)),
        on_epoch=epochs.append,
    )
    assert updates == [(now, 2 * PER_EPOCH) for now in range(1, 2 * PER_EPOCH + 1)]
    assert epochs == done.metrics
    assert [record["epoch"] for record in epochs] == [1, 2]
    assert done.run is None
    assert done.held_out.samples == 60
    assert done.held_out.value == epochs[-1]["held_out_accuracy"]


def test_the_files_epochs_are_taken_unless_others_are_given() -> None:
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["learning"]["epochs"] = 3
    assert len(train(load(mapping), DATA).metrics) == 3


def test_the_network_and_the_run_hold_the_trained_weights(tmp_path: Path) -> None:
    net = load("digits_mlp")
    before = net.arrays()
    done = train(net, DATA, epochs=1, out=tmp_path / "run")
    assert done.run is not None
    again = load(tmp_path / "run")
    for name, array in net.arrays().items():
        assert np.array_equal(again.arrays()[name], array), name
    assert not np.array_equal(
        net.arrays()["projections.input_hidden.weight"], before["projections.input_hidden.weight"]
    )
    assert np.array_equal(predict_classes(again, DATA.x_test)[0], predict_classes(net, DATA.x_test)[0])
    run = RunFolder.open(tmp_path / "run")
    assert run.step == PER_EPOCH
    assert run.settings["rule"] == "equilibrium_propagation"
    assert run.data_identity == DATA.identity
    assert run.metrics() == json.loads(json.dumps(done.metrics))


def test_the_folder_changes_nothing_of_the_result(tmp_path: Path) -> None:
    kept, forgotten = load("digits_mlp"), load("digits_mlp")
    train(kept, DATA, epochs=2, out=tmp_path / "run")
    train(forgotten, DATA, epochs=2)
    for name, array in kept.arrays().items():
        assert np.array_equal(forgotten.arrays()[name], array), name


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first = train(load("digits_mlp"), DATA, epochs=1, out=tmp_path / "run")
    files = {path: path.stat().st_mtime_ns for path in sorted((tmp_path / "run").rglob("*.safetensors"))}
    updates: list[int] = []
    net = load("digits_mlp")
    again = train(
        net, DATA, epochs=1, out=tmp_path / "run", on_update=lambda done, total: updates.append(done)
    )
    assert updates == []
    assert again.held_out == first.held_out
    assert again.metrics == first.metrics
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert np.array_equal(
        predict_classes(net, DATA.x_test)[0], predict_classes(load(tmp_path / "run"), DATA.x_test)[0]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 2}, "epochs"),
        ({"gradient": backpropagation}, "rule"),
        ({"data": replace(DATA, x_train=1 - DATA.x_train)}, "data"),
        ({"net": load("digits_mlp", seed=3)}, "seeds"),
    ],
)
def test_a_run_of_something_else_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    train(load("digits_mlp"), DATA, epochs=1, out=tmp_path / "run")
    given: dict[str, Any] = {"net": load("digits_mlp"), "data": DATA, "epochs": 1} | change
    with pytest.raises(RunFolderError, match=message):
        train(out=tmp_path / "run", **given)


def test_checkpoints_within_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the last two were: with 0 s between them, one an update."""
    for seconds, kept in ((0.0, [PER_EPOCH - 1, PER_EPOCH]), (1e9, [0, PER_EPOCH])):
        monkeypatch.setattr(training, "CHECKPOINT_SECONDS", seconds)
        train(load("digits_mlp"), DATA, epochs=1, out=tmp_path / str(seconds))
        steps = [int(path.name.removeprefix("step-")) for path in (tmp_path / str(seconds)).glob("step-*")]
        assert sorted(steps) == kept


def test_data_that_do_not_fit_leave_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="population 'input': 64 units, the data has 4 features"):
        train(load("digits_mlp"), "xor", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_divergence_leaves_the_last_good_weights(tmp_path: Path) -> None:
    """The sixth contrast, in the second epoch, is not finite; the run can be gone on with."""
    calls = 0

    def breaking(model: EquilibriumNetwork, features: Tensor, target: Tensor) -> Step:
        nonlocal calls
        calls += 1
        step = equilibrium_propagation(model, features, target)
        if calls != 6:
            return step
        broken = {name: value.clone() for name, value in step.contrast.items()}
        broken["populations.hidden.bias"][0] = torch.nan
        return replace(step, contrast=broken)

    net, seen = load("digits_mlp"), {}

    def keep(done: int, total: int) -> None:
        seen[done] = net.arrays()

    given: dict[str, Any] = {"epochs": 2, "gradient": breaking, "out": tmp_path / "run"}
    with pytest.raises(SettleError, match=r"^populations\.hidden\.bias: the contrast is not finite"):
        train(net, DATA, on_update=keep, **given)
    assert max(seen) == 5
    assert all(np.array_equal(array, seen[5][name]) for name, array in net.arrays().items())
    run = RunFolder.open(tmp_path / "run")
    assert run.step == PER_EPOCH
    assert all(np.array_equal(array, seen[PER_EPOCH][name]) for name, array in run.weights().items())
    assert train(net, DATA, **given).metrics[-1]["update"] == 2 * PER_EPOCH


def test_the_status_of_a_prediction() -> None:
    predicted, status = predict_classes(load("digits_mlp"), DATA.x_test)
    assert predicted.shape == (60,)
    assert predicted.dtype == np.int64
    assert status.startswith("settled: residual")


def test_a_task_after_another(tmp_path: Path) -> None:
    """From RUN folders or in memory, resumed or not, the same weights; the earlier task is kept better."""
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["consolidation"] |= {"importance": {"strength": 1e5, "samples": 100}}
    other = replace(DATA, x_train=DATA.x_train[:, ::-1].copy(), x_test=DATA.x_test[:, ::-1].copy())
    first = train(load(mapping), DATA, epochs=1, out=tmp_path / "first")
    in_memory = load(mapping)
    train(in_memory, other, epochs=2, after=first)
    net = load(mapping)

    def stop(done: int, total: int) -> None:
        if done == PER_EPOCH + 2:
            raise KeyboardInterrupt

    given: dict[str, Any] = {"epochs": 2, "after": tmp_path / "first", "out": tmp_path / "second"}
    with pytest.raises(KeyboardInterrupt):
        train(net, other, on_update=stop, **given)
    assert RunFolder.open(tmp_path / "second").step == PER_EPOCH
    train(load(mapping), other, **given)
    resumed = load(tmp_path / "second").arrays()
    for name, array in in_memory.arrays().items():
        assert np.array_equal(resumed[name], array), name
    naive = load(tmp_path / "first")
    train(naive, other, epochs=2)
    key = "projections.input_hidden.weight"
    matters = first.learned.state[f"tasks.importance.{key}"]
    moved, free = (
        float((matters * np.square(arrays[key] - first.learned.weights[key])).sum())
        for arrays in (resumed, naive.arrays())
    )
    assert moved < 0.5 * free
    with pytest.raises(RunFolderError, match="after: "):
        train(load(mapping), other, **(given | {"after": tmp_path / "second"}))


def test_what_cannot_be_gone_on_with_is_refused(tmp_path: Path) -> None:
    train(load("digits_mlp"), DATA, epochs=1, out=tmp_path / "first")
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["consolidation"] |= {"importance": {}}
    with pytest.raises(RunFolderError, match=r"first: no importances were measured; train it to its end"):
        train(load(mapping), DATA, epochs=1, after=tmp_path / "first")
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["populations"]["hidden"]["shape"] = [63]
    with pytest.raises(RunFolderError, match=r"first: weights 'populations.hidden.bias': shape \(64,\)"):
        train(load(mapping), DATA, epochs=1, after=tmp_path / "first")
    with pytest.raises(RunFolderError, match="no such folder"):
        train(load("digits_mlp"), DATA, epochs=1, after=tmp_path / "none")
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["consolidation"] |= {"importance": {}}
    with pytest.raises(UnsupportedError, match=r"consolidation\.importance is for torch; remove it"):
        train(load(mapping), DATA, epochs=1, on="brian2")
    with pytest.raises(UnsupportedError, match="going on after another task is for torch"):
        train(load("digits_mlp"), DATA, epochs=1, on="brian2", after=tmp_path / "first")


def test_a_state_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after an epoch; what the bound knew was kept under other names then."""
    net = load("digits_mlp")

    def stop(now: int, total: int) -> None:
        if now > PER_EPOCH:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(net, DATA, epochs=2, out=tmp_path / "run", on_update=stop)
    state = RunFolder.state

    def older(self: RunFolder) -> dict[str, Any]:
        return {name: array for name, array in state(self).items() if not name.startswith("bound.")}

    monkeypatch.setattr(RunFolder, "state", older)
    with pytest.raises(
        RunFolderError, match=r"run: its training state does not fit .*'leading'\); train into"
    ):
        train(load("digits_mlp"), DATA, epochs=2, out=tmp_path / "run")
