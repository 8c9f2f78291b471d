"""Training with a RUN folder: checkpoints on the way, resumed bit for bit."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mep_neuro.backends.accuracy import Accuracy, accuracy
from mep_neuro.backends.data.data_set import DataSet
from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.run_folder import RunFolder

if TYPE_CHECKING:
    from mep_neuro.equilibrium.model import EquilibriumNetwork
    from mep_neuro.equilibrium.trainer import Gradient, Trainer

Metrics = dict[str, float]

CHECKPOINT_SECONDS = 15.0
"""A checkpoint is written at the end of an epoch, and within a long one this often."""


@dataclass(frozen=True)
class Training:
    """What a training run came to.

    Attributes:
        metrics: One record an epoch.
        held_out: Accuracy of the last state on the held-out part.
        run: The RUN folder, if one was asked for.
    """

    metrics: list[Metrics]
    held_out: Accuracy
    run: RunFolder | None


def train(
    net: "EquilibriumNetwork",
    data: DataSet | str = "digits",
    *,
    epochs: int | None = None,
    out: str | Path | None = None,
    gradient: "Gradient | None" = None,
    on_update: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[Metrics], None] | None = None,
) -> Training:
    """Train a network in place by its topology's learning section.

    Args:
        net: The network; holds the trained weights afterwards.
        data: A data set, or what `load_data` reads.
        epochs: Replaces learning.epochs.
        out: RUN folder; a folder of the same run that was stopped is gone on with, bit for bit.
        gradient: Replaces Equilibrium Propagation, for comparisons.
        on_update: Called with (done, total) updates.
        on_epoch: Called with the metrics of each epoch.

    Returns:
        Metrics, held-out accuracy of the last state, and the RUN folder.

    Raises:
        DataError: The data cannot be read or do not fit the network.
        RunFolderError: The folder holds something else, or a run of other settings.
        SettleError: A settle diverged; the network has the weights of the last good update.
    """
    from mep_neuro.equilibrium.trainer import Trainer, equilibrium_propagation

    spec = net.spec
    data = load_data(data, seed=spec.seeds.data) if isinstance(data, str) else data
    data.check(spec)
    epochs = spec.learning.epochs if epochs is None else epochs
    with ExitStack() as stack:
        run = None
        if out is not None:
            settings = {
                "data": data.name,
                "epochs": epochs,
                "rule": (gradient or equilibrium_propagation).__name__,
            }
            run = stack.enter_context(RunFolder.create(out, net.to_network(), settings, data.identity))
            net.load_arrays(run.weights())
        trainer = Trainer(
            net, data.x_train, data.y_train, epochs=epochs, gradient=gradient or equilibrium_propagation
        )
        if run is not None and run.step > 0:
            trainer.load_state(run.step, run.state())
        else:
            trainer.prepare()
        metrics, run = _advance(trainer, data, run, on_update, on_epoch)
    predicted, _ = predict_classes(net, data.x_test)
    return Training(metrics, accuracy(predicted, data.y_test), run)


def predict_classes(
    net: "EquilibriumNetwork", features: NDArray[np.floating]
) -> tuple[NDArray[np.int64], str]:
    """Classes by the free phase, shape (samples,), and the settle's status in words."""
    from mep_neuro.equilibrium.trainer import predict

    predicted, free = predict(net, features)
    return predicted, free.point.status


def _advance(
    trainer: "Trainer",
    data: DataSet,
    run: RunFolder | None,
    on_update: Callable[[int, int], None] | None,
    on_epoch: Callable[[Metrics], None] | None,
) -> tuple[list[Metrics], RunFolder | None]:
    records: list[Metrics] = run.metrics() if run is not None else []
    unsaved: list[Metrics] = []
    total = trainer.epochs * trainer.updates_per_epoch
    saved_at = time.monotonic()
    while not trainer.finished:
        record = trainer.advance()
        if on_update is not None:
            on_update(trainer.update, total)
        if record is not None:
            predicted, _ = predict_classes(trainer.model, data.x_test)
            record["held_out_accuracy"] = accuracy(predicted, data.y_test).value
            records.append(record)
            unsaved.append(record)
            if on_epoch is not None:
                on_epoch(record)
        if run is not None and (record is not None or time.monotonic() - saved_at > CHECKPOINT_SECONDS):
            run = run.save(trainer.update, trainer.model.arrays(), trainer.state(), unsaved)
            unsaved, saved_at = [], time.monotonic()
    return records, run
