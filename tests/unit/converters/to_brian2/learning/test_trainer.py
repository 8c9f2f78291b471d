"""Training inside Brian2: what stops it, what it goes on from, and what must not learn."""

from pathlib import Path
from typing import Any

import brian2 as b2
import numpy as np
import pytest
from numpy.typing import NDArray

import mep_neuro as mep
from mep_neuro.backends.data.data_set import DataSet
from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.load import load
from mep_neuro.backends.run_folder import RunFolder
from mep_neuro.backends.training import train
from mep_neuro.converters.to_brian2.learning.trainer import Trainer
from mep_neuro.equilibrium.bounds.certificate import SLACK
from mep_neuro.equilibrium.learning.backprop import backpropagation
from mep_neuro.errors import SettleError, UnknownBackendError, UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.override import network_with_neuron
from mep_neuro.topology.reader import read_spec

XOR: DataSet = load_data("xor")


def mapping(**changes: Any) -> dict[str, Any]:
    made = read_spec("xor").to_mapping()
    made["populations"]["hidden"].update(shape=[5], bias=0.3)
    made["equilibrium"].update(dt="5 ms", free_steps=40, nudged_steps=20)
    made["learning"].update(lr=0.2, momentum=0.5, batch_size=2)
    made["consolidation"].update(method="muon", period="2 updates", lr=0.1, spectral_bound=0.8)
    for section, values in changes.items():
        made[section].update(values)
    return made


def trainer(epochs: int = 2, **changes: Any) -> Trainer:
    made = Trainer(build(read_spec(mapping(**changes))), XOR.x_train, XOR.y_train, epochs=epochs)
    made.prepare()
    return made


def change(before: dict[str, NDArray[Any]], after: dict[str, NDArray[Any]]) -> float:
    return max(float(np.abs(after[name] - before[name]).max()) for name in before)


def test_a_run_that_was_stopped_goes_on_bit_for_bit(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 3:  # the checkpoint is of update 2, the end of the first epoch
            raise Stopped

    whole = load(mapping())
    done = train(whole, "xor", epochs=2, on="brian2", out=tmp_path / "whole")
    net = load(mapping())
    seen: list[dict[str, float]] = []
    with pytest.raises(Stopped):
        train(net, "xor", epochs=2, on="brian2", out=tmp_path / "run", on_update=stop)
    assert RunFolder.open(tmp_path / "run").step == 2
    again = load(mapping())
    gone_on = train(again, "xor", epochs=2, on="brian2", out=tmp_path / "run", on_epoch=seen.append)
    assert [record["epoch"] for record in seen] == [2]
    assert done.run is not None
    assert gone_on.run is not None
    weights = done.run.weights()
    assert all(np.array_equal(weights[n], a) for n, a in gone_on.run.weights().items())
    assert gone_on.metrics == done.metrics
    assert gone_on.run.settings["on"] == "brian2"


def test_a_trainer_goes_on_from_the_state_of_another() -> None:
    whole, first = trainer(), trainer()
    whole.train()
    first.train(updates=1)  # in the middle of an epoch, and between two consolidations
    network = build(read_spec(mapping())).with_arrays(first.arrays())
    second = Trainer(network, XOR.x_train, XOR.y_train, epochs=2)
    second.load_state(1, first.state())
    second.train()
    assert second.finished
    assert all(np.array_equal(whole.arrays()[n], a) for n, a in second.arrays().items())


@pytest.mark.slow  # eight calls of run()
def test_pieces_of_a_training_are_the_training() -> None:
    whole, pieces = trainer(), trainer()
    whole.train()
    while not pieces.finished:
        pieces.train(updates=1)
    assert change(whole.arrays(), pieces.arrays()) == 0.0


def test_without_a_nudge_nothing_is_learned() -> None:
    made = trainer(consolidation={"method": "none", "spectral_bound": 0.8})
    before = made.arrays()
    made.plastic.populations["output"].beta = 0.0
    made.train()
    # The phases differ by what the free one leaves: 0.8^40 of a rate, over 2 beta.
    assert change(before, made.arrays()) < 1e-3
    taught = trainer(consolidation={"method": "none", "spectral_bound": 0.8})
    taught.train()
    assert change(before, taught.arrays()) > 1e-2


def test_the_bound_is_kept() -> None:
    made = trainer(consolidation={"lr": 0.5})
    records: list[dict[str, float]] = []
    made.train(lambda record: records.append(record) if record else None)
    w = made.arrays()["projections.hidden_output.weight"]
    assert np.linalg.norm(w, 2) <= 0.8 * 1.0001
    # What a check leaves to the updates after it; the sum of squares of float64 weights rounds at 1e-15.
    assert 0.8 * (1.0 - SLACK) - 1e-12 <= records[-1]["radius"] <= 0.8


def test_a_user_adds_monitors_and_reaches_every_object() -> None:
    made = trainer(epochs=2)
    plastic = made.plastic
    monitor = b2.StateMonitor(plastic.projections["hidden->output"], "w", record=[0], clock=None)
    plastic.network.add(monitor)
    made.train()
    assert monitor.w.shape == (1, 8 * plastic.times.steps)
    assert np.unique(np.asarray(monitor.w)).size == 2  # one consolidation between the two epochs
    assert isinstance(plastic.projections["input->hidden"], b2.Synapses)
    assert isinstance(plastic.populations["input"], b2.NeuronGroup)


def test_activity_that_diverges_leaves_the_weights() -> None:
    made = mapping(consolidation={"method": "none", "spectral_bound": None}, learning={"lr": 1e200})
    made["neurons"]["unit"]["activation"] = "relu"
    one = Trainer(build(read_spec(made)), XOR.x_train, XOR.y_train, epochs=3)
    good: list[dict[str, NDArray[Any]]] = [one.arrays()]
    with pytest.raises(SettleError, match=r"not finite after update .*weights were left as they were"):
        one.train(lambda record: good.append(one.arrays()))
    assert change(good[-1], one.arrays()) == 0.0


def test_only_what_learns_somewhere_can_be_asked_for() -> None:
    net = load("xor")
    with pytest.raises(UnknownBackendError, match="training on 'lava': nothing learns there"):
        train(net, "xor", on="lava")
    with pytest.raises(UnsupportedError, match="leave out on='brian2'"):
        train(net, "xor", on="brian2", gradient=backpropagation)
    with pytest.raises(UnsupportedError, match="write on='brian2'"):
        train(net, "xor", target="numpy")


def test_a_trainer_is_reached_from_python_and_says_its_target() -> None:
    made = mep.trainer(load(mapping()), "xor", epochs=1)
    assert made.notes[0].startswith("target numpy (auto: ")
    made.train()
    assert set(made.predict(XOR.x_test)) <= {0, 1}


@pytest.mark.slow
@pytest.mark.timeout(600)  # compiles
@pytest.mark.parametrize("neuron", ["rate", "sif"])
def test_a_standalone_training_goes_on_from_its_state(neuron: str) -> None:
    network = network_with_neuron(build(read_spec(mapping(equilibrium={"slots": 20}))), neuron)

    def made(numbers: Network) -> Trainer:
        return Trainer(numbers, XOR.x_train, XOR.y_train, epochs=3, target="cpp_standalone")

    whole, first = made(network), made(network)
    for each in (whole, first):
        each.prepare()
    whole.train()
    first.train(updates=3)  # in the middle of an epoch, and between two consolidations
    second = made(network.with_arrays(first.arrays()))
    second.load_state(3, first.state())
    second.train()
    assert second.finished
    assert change(first.arrays(), second.arrays()) > 1e-2
    assert change(whole.arrays(), second.arrays()) == 0.0


@pytest.mark.slow
@pytest.mark.timeout(600)  # compiles
def test_a_standalone_program_is_the_same_training() -> None:
    network = build(read_spec(mapping()))
    standalone = Trainer(network, XOR.x_train, XOR.y_train, epochs=3, target="cpp_standalone")
    runtime = trainer(epochs=3)
    records: list[list[dict[str, float]]] = [[], []]
    standalone.prepare()
    for made, told in zip((standalone, runtime), records, strict=True):
        made.train(lambda record, told=told: told.append(record) if record else None)
    # Muon orthogonalises in bfloat16: a sum in another order, 1e-16, may round one entry to its neighbour.
    assert change(standalone.arrays(), runtime.arrays()) < 1e-2
    assert [r["train_accuracy"] for r in records[0]] == [r["train_accuracy"] for r in records[1]]
    assert [r["settled"] for r in records[0]] == [r["settled"] for r in records[1]]
