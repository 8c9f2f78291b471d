"""Which pattern is shown when: the same order, batches and learning rates as training in torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mep_neuro.equilibrium.learning.moment import SIGN
from mep_neuro.topology.spec import NetworkSpec

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Schedule:
    """One entry for each presentation of the training, in the order of their showing.

    Attributes:
        row: Row of the training part that is shown.
        label: Its class.
        share: 1 / size of its batch.
        closes: 1 where it is the last of its batch, 0 elsewhere.
        factor: What multiplies the learning rates of its update.
        sign: Sign of the nudge: -1 for half of the batches with random_sign, 1 otherwise.
        updates_per_epoch: Batches in an epoch.
    """

    row: NDArray[np.int64]
    label: NDArray[np.int64]
    share: Array
    closes: NDArray[np.int64]
    factor: Array
    sign: NDArray[np.int64]
    updates_per_epoch: int

    @property
    def presentations(self) -> int:
        """Patterns shown in the whole training."""
        return self.row.size

    def after(self, updates: int) -> int:
        """Presentations done after so many updates."""
        return int(np.searchsorted(np.cumsum(self.closes), updates)) + 1 if updates else 0


def schedule(
    spec: NetworkSpec, labels: NDArray[np.integer], epochs: int, seed: int | None = None
) -> Schedule:
    """Plan a training.

    Args:
        spec: `learning` gives the batch size and the schedule of the learning rate.
        labels: Classes of the training part, shape (samples,).
        epochs: Passes over it.
        seed: Replaces seeds.data, from which the order of each epoch is drawn.
    """
    base = spec.seeds.data if seed is None else seed
    samples, batch = len(labels), spec.learning.batch_size
    per_epoch = -(-samples // batch)
    rows = [np.random.default_rng([base, epoch]).permutation(samples) for epoch in range(epochs)]
    row = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
    position = np.tile(np.arange(samples), epochs)
    size = np.minimum(batch, samples - position // batch * batch)
    update = np.repeat(np.arange(epochs), samples) * per_epoch + position // batch
    linear = spec.learning.schedule == "linear"
    share_done = update / max(epochs * per_epoch, 1)
    return Schedule(
        row=row.astype(np.int64),
        label=np.asarray(labels)[row].astype(np.int64),
        share=1.0 / size,
        closes=((position % batch == batch - 1) | (position == samples - 1)).astype(np.int64),
        factor=1.0 - share_done if linear else np.ones(row.size),
        sign=_signs(spec, epochs * per_epoch)[update],
        updates_per_epoch=per_epoch,
    )


def _signs(spec: NetworkSpec, updates: int) -> NDArray[np.int64]:
    if spec.equilibrium.nudge.phases != "random_sign":
        return np.ones(updates, dtype=np.int64)
    draws = [np.random.default_rng([spec.seeds.noise, n, SIGN]).choice((-1, 1)) for n in range(updates)]
    return np.array(draws, dtype=np.int64)
