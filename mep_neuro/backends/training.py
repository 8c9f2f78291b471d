"""Training with a RUN folder, in torch or inside a simulator: checkpoints on the way, resumed bit for bit."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mep_neuro.backends.accuracy import Accuracy, accuracy
from mep_neuro.backends.data.data_set import DataSet
from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.registry import find_trainer
from mep_neuro.backends.run_folder import RunFolder
from mep_neuro.backends.tasks import Arrays, Learned, go_on, learned_in, refuse_tasks, resume, take_weights
from mep_neuro.errors import UnsupportedError

if TYPE_CHECKING:
    from mep_neuro.equilibrium.learning.team import Team
    from mep_neuro.equilibrium.learning.trainer import Gradient
    from mep_neuro.equilibrium.model import EquilibriumNetwork

Metrics = dict[str, float]
Start = tuple[int, Arrays, Arrays]
"""Where a RUN stands: step, weights, state."""

CHECKPOINT_SECONDS = 15.0
"""A checkpoint is written at the end of an epoch, and within a long one this often."""


@dataclass(frozen=True)
class Training:
    """What a training run came to.

    Attributes:
        metrics: One record an epoch.
        held_out: Accuracy of the last state on the held-out part.
        run: The RUN folder, if one was asked for.
        learned: The network after this task: what training on the next one goes on `after`.
        notes: How a simulator was chosen to run, in sentences.
    """

    metrics: list[Metrics]
    held_out: Accuracy
    run: RunFolder | None
    learned: Learned
    notes: tuple[str, ...] = ()


def train(
    net: "EquilibriumNetwork",
    data: DataSet | str | Mapping[str, ArrayLike] = "digits",
    *,
    epochs: int | None = None,
    out: str | Path | None = None,
    after: Training | str | Path | None = None,
    gradient: "Gradient | None" = None,
    on: str = "torch",
    target: str | None = None,
    on_update: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[Metrics], None] | None = None,
) -> Training:
    """Train a network in place by its topology's learning section.

    Started by torchrun, the processes share each batch, end with the same network, and the first one
    writes the RUN folder (equilibrium/learning/team.py).

    Args:
        net: The network; holds the trained weights afterwards.
        data: A data set, or what `load_data` reads.
        epochs: Replaces learning.epochs.
        out: RUN folder; a folder of the same run that was stopped is gone on with, bit for bit.
        after: A training of the same network on an earlier task, or its RUN folder: goes on from its weights,
            and keeps what the topology's consolidation.importance says; in torch alone.
        gradient: Replaces Equilibrium Propagation, for comparisons; in torch alone.
        on: Where it learns: 'torch'; 'brian2', where phases and plasticity happen in one simulation; or
            'loihi-emulator', where states come from the chip's integers and the host consolidates.
        target: Code generation target of the simulator; its own choice if left out.
        on_update: Called with (done, total) updates.
        on_epoch: Called with the metrics of each epoch.

    Returns:
        Metrics, held-out accuracy of the last state, and the RUN folder. Metrics of a training in a
        simulator hold its own training accuracy, and a held-out accuracy of the torch reference with its
        weights; the accuracy of the last state is measured where it learned.

    Raises:
        DataError: The data cannot be read or do not fit the network.
        RunFolderError: The folder holds something else, or a run of other settings; or `after` does not fit.
        SettleError: A settle diverged; the network has the weights of the last good update.
        UnknownBackendError: Nothing learns on a back end of this name.
        UnsupportedError: The network cannot learn there, by name of the part; or epochs below 0.
    """
    spec = net.spec
    data = data if isinstance(data, DataSet) else load_data(data, seed=spec.seeds.data)
    data.check(spec)
    if on != "torch" and data.positions > 1:
        raise UnsupportedError(f"train: sequences are learned in torch; leave out on='{on}'")
    epochs = spec.learning.epochs if epochs is None else epochs
    if epochs < 0:
        raise UnsupportedError(f"train: epochs {epochs}; give a number >= 0")
    make = _maker(on, gradient, target)
    team = _team(on)
    refuse_tasks(spec, on, after)
    before = None
    if after is not None:
        before = after.learned if isinstance(after, Training) else team.from_first(partial(learned_in, after))
        take_weights(net, before)
    with ExitStack() as stack:
        run = None
        if out is not None:
            settings = {"data": data.name, "epochs": epochs, "rule": _rule(gradient)}
            settings |= {} if on == "torch" else {"on": on}
            settings |= {} if before is None else {"after": before.identity}
            settings |= {} if team.size == 1 else {"processes": team.size}

            def start() -> Start:
                nonlocal run
                run = stack.enter_context(RunFolder.create(out, net.to_network(), settings, data.identity))
                return run.step, run.weights(), run.state()

            step, weights, state = team.from_first(start)
            net.load_arrays(weights)
        network = net.to_network() if run is None else run.network()
        trainer = make(net, network, data, epochs)
        if out is not None and step > 0:
            resume(trainer, out, step, state)
        elif before is not None:
            go_on(trainer, before)
        else:
            trainer.prepare()
        keeper = _Keeper(trainer, net, data, run, on_update, on_epoch)
        try:
            trainer.train(keeper.after)
        finally:
            net.load_arrays(trainer.arrays())
    held_out = accuracy(trainer.predict(data.x_test), data.y_test)
    learned, notes = Learned(trainer.arrays(), trainer.state()), getattr(trainer, "notes", ())
    return Training(keeper.records, held_out, keeper.run, learned, tuple(notes))


def _team(on: str) -> "Team":
    """The processes that torchrun started, if it did.

    Raises:
        UnsupportedError: There are several, and a simulator is to learn.
    """
    from mep_neuro.equilibrium.learning.team import Team, join

    join()
    team = Team()
    if team.size > 1 and on != "torch":
        raise UnsupportedError(f"train: {team.size} processes share a batch in torch; leave out on='{on}'")
    return team


def predict_classes(
    net: "EquilibriumNetwork", features: NDArray[np.floating]
) -> tuple[NDArray[np.int64], str]:
    """Classes by the free phase, shape (samples,) or (samples, positions), and the status in words."""
    from mep_neuro.equilibrium.learning.trainer import predict

    predicted, free = predict(net, features)
    return predicted, free.point.status


def _rule(gradient: "Gradient | None") -> str:
    return "equilibrium_propagation" if gradient is None else gradient.__name__


def _maker(on: str, gradient: "Gradient | None", target: str | None) -> Callable[..., Any]:
    """What makes the trainer from the torch network, the float64 network, the data and the epochs."""
    if on != "torch":
        if gradient is not None:
            raise UnsupportedError(
                f"train: another gradient than the contrast is for torch; leave out on='{on}'"
            )
        simulated = find_trainer(on)
        options = {} if target is None else {"target": target}
        return lambda net, network, data, epochs: simulated(
            network, data.x_train, data.y_train, epochs=epochs, **options
        )
    if target is not None:
        raise UnsupportedError(
            f"train: target '{target}' is of simulators; leave it out, or write on='brian2'"
        )
    return lambda net, network, data, epochs: _Torch(net, data, epochs, gradient)


class _Torch:
    """The torch trainer behind the calls that every trainer answers."""

    def __init__(
        self, net: "EquilibriumNetwork", data: DataSet, epochs: int, gradient: "Gradient | None"
    ) -> None:
        from mep_neuro.equilibrium.learning.trainer import Trainer, equilibrium_propagation

        self._net = net
        self._trainer = Trainer(
            net, data.x_train, data.y_train, epochs=epochs, gradient=gradient or equilibrium_propagation
        )
        self.prepare, self.state, self.load_state = (
            self._trainer.prepare,
            self._trainer.state,
            self._trainer.load_state,
        )
        self.arrays, self.go_on_after = net.arrays, self._trainer.go_on_after

    @property
    def update(self) -> int:
        return self._trainer.update

    @property
    def updates(self) -> int:
        return self._trainer.epochs * self._trainer.updates_per_epoch

    def train(self, after: Callable[[Metrics | None], None]) -> None:
        while not self._trainer.finished:
            record = self._trainer.advance()
            if self._trainer.finished:
                self._trainer.close_task()
            after(record)

    def predict(self, features: NDArray[np.floating]) -> NDArray[np.int64]:
        return predict_classes(self._net, features)[0]


class _Keeper:
    """Keeps a training's records and checkpoints, update after update."""

    def __init__(
        self,
        trainer: Any,
        net: "EquilibriumNetwork",
        data: DataSet,
        run: RunFolder | None,
        on_update: Callable[[int, int], None] | None,
        on_epoch: Callable[[Metrics], None] | None,
    ) -> None:
        self.records: list[Metrics] = run.metrics() if run is not None else []
        self.run = run
        self._trainer, self._net, self._data = trainer, net, data
        self._on_update, self._on_epoch = on_update, on_epoch
        self._unsaved: list[Metrics] = []
        self._saved_at = time.monotonic()

    def after(self, record: Metrics | None) -> None:
        """Called after each update, with the metrics of the epoch that it ended, or None."""
        trainer = self._trainer
        if self._on_update is not None:
            self._on_update(trainer.update, trainer.updates)
        if record is not None:
            if not isinstance(trainer, _Torch):
                self._net.load_arrays(trainer.arrays())
            predicted, _ = predict_classes(self._net, self._data.x_test)
            record["held_out_accuracy"] = accuracy(predicted, self._data.y_test).value
            self.records.append(record)
            self._unsaved.append(record)
            if self._on_epoch is not None:
                self._on_epoch(record)
        late = time.monotonic() - self._saved_at > CHECKPOINT_SECONDS
        if self.run is not None and (record is not None or late):
            self.run = self.run.save(trainer.update, trainer.arrays(), trainer.state(), self._unsaved)
            self._unsaved, self._saved_at = [], time.monotonic()
