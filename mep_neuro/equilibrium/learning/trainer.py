"""Training: batches in a seeded order, free and nudged phase, contrast, update.

The order of the samples depends on the seed and the epoch alone, so a run that was stopped goes on
bit for bit from its arrays.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.cost import cost
from mep_neuro.equilibrium.fixed_point import FixedPoint
from mep_neuro.equilibrium.learning.continual import learn_continually
from mep_neuro.equilibrium.learning.epoch_sums import SUMS, means
from mep_neuro.equilibrium.learning.importance import importance
from mep_neuro.equilibrium.learning.learner import Learner
from mep_neuro.equilibrium.learning.moment import Moment, training_at
from mep_neuro.equilibrium.learning.standardise import standardise
from mep_neuro.equilibrium.learning.team import Team
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import Free, free_phase, nudged_phase
from mep_neuro.errors import DataError, SettleError, UnsupportedError

Gradient = Callable[[EquilibriumNetwork, Tensor, Tensor], "Step"]


@dataclass(frozen=True)
class Step:
    """One batch before its update.

    Attributes:
        contrast: What each parameter is to be moved along, by the names of `Network.arrays()`.
        output: Output rates in the free phase, shape (batch, n_output).
        points: The fixed points of the phases, the free one first.
    """

    contrast: Mapping[str, Tensor]
    output: Tensor
    points: tuple[FixedPoint, ...]

    @property
    def measured(self) -> tuple[float, float, float]:
        """Samples that settled in every phase, the sum of free residuals, and how many were measured."""
        residuals = torch.stack([point.residual for point in self.points])
        rows = ~residuals.isnan().any(0)
        settled = torch.stack([point.settled for point in self.points]).all(0)
        return float(settled.sum()), float(residuals[0][rows].sum()), float(rows.sum())

    @property
    def mean_steps(self) -> list[float]:
        """Mean steps of the free and of the nudged phase, 0 where there is none."""
        means = [float(point.steps.double().mean()) for point in self.points]
        return [*means, 0.0][:2]


def equilibrium_propagation(model: EquilibriumNetwork, features: Tensor, target: Tensor) -> Step:
    """The contrast of a batch by a free and a nudged phase."""
    free = free_phase(model, features)
    nudged = nudged_phase(model, free, target)
    return Step(contrast(model, free, nudged), nudged.output, (free.point, nudged.point))


class Trainer:
    """Learns from labelled samples.

    Attributes:
        model: The network that learns, changed in place.
        update: Updates done.
        updates_per_epoch: Batches in an epoch; the last may be smaller.
        team: The processes that share each batch; one where torch.distributed was not started.
    """

    def __init__(
        self,
        model: EquilibriumNetwork,
        features: NDArray[np.floating],
        labels: NDArray[np.integer],
        *,
        epochs: int,
        seed: int | None = None,
        gradient: Gradient = equilibrium_propagation,
    ) -> None:
        """Prepare training.

        Args:
            model: The network.
            features: Training part, shape (samples, n_input).
            labels: Classes, shape (samples,), integers from 0; of sequences, shape (samples, positions).
            epochs: Passes over the training part; sets the learning-rate schedule.
            seed: Replaces seeds.data for the order of the samples.
            gradient: What turns a batch into a contrast; others serve comparisons.

        Raises:
            UnsupportedError: Several processes, and weights that change within a batch.
        """
        self.model, self.epochs, self.update = model, epochs, 0
        self._features = torch.as_tensor(features, dtype=model.dtype)
        self._labels = torch.as_tensor(labels, dtype=torch.int64)
        self._seed = model.spec.seeds.data if seed is None else seed
        self._gradient = gradient
        self._learner = Learner(model)
        self.team = Team()
        self._within_batches = model.spec.learning.mode == "continual" and gradient is equilibrium_propagation
        if self.team.size > 1 and self._within_batches:
            raise UnsupportedError(
                "learning.mode: continual moves the weights within a batch, which processes cannot share; "
                "write phased, or train in one process"
            )
        self._batch = model.spec.learning.batch_size
        self.updates_per_epoch = -(-len(labels) // self._batch)
        self._sums = np.zeros(len(SUMS))

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self.update >= self.epochs * self.updates_per_epoch

    def prepare(self) -> None:
        """Measure what stays fixed during training; once, before the first update."""
        self._learner.bound_now(fully=True)
        standardise(self.model, self._features)

    def go_on_after(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Instead of `prepare`: learn another task, the network being as the last one left it.

        What was measured before the first task stays as it is, since the first task needs it.

        Args:
            state: Of the last task's trainer, after its `close_task`.

        Raises:
            ValueError: The state does not hold what consolidation says is kept.
        """
        self._learner.go_on_after(state)
        self._learner.bound_now(fully=True)

    def close_task(self) -> None:
        """End the task: measure how much each weight matters to it, by consolidation.importance."""
        section = self.model.spec.consolidation.importance
        if section is not None:
            chosen = np.random.default_rng([self._seed, self.epochs]).permutation(len(self._labels))
            rows = torch.from_numpy(chosen[: section.samples])
            self._learner.close_task(importance(self.model, self._features[rows], self.update))

    def advance(self) -> dict[str, float] | None:
        """One update; the epoch's metrics after its last one.

        Raises:
            SettleError: A phase diverged or a contrast is not finite; the weights are as they were.
        """
        epoch, batch = divmod(self.update, self.updates_per_epoch)
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._labels))
        rows = torch.from_numpy(order[batch * self._batch : (batch + 1) * self._batch])
        last = batch + 1 == self.updates_per_epoch
        with training_at(self.model, Moment(self.update, self._share(), told=last)):
            self._sums += self._learn(rows)
        self.update += 1
        if self.update % self.updates_per_epoch:
            return None
        return self._epoch_metrics(epoch)

    def _learn(self, rows: Tensor) -> NDArray[np.float64]:
        """Change the weights by one batch; what adds to the epoch's sums."""
        own = self.team.own(rows)
        labels = self._labels[own]
        target = one_hot(self.model, labels)
        step, failure = None, None
        try:
            if len(own):
                step = self._step(self._features[own], target)
        except SettleError as error:
            failure = error
        measured = np.zeros(len(SUMS)) if step is None else self._measured(step, target, labels)
        sums = self.team.totals(measured, failure)
        if not self._within_batches:
            contrast = self._learner.nothing() if step is None else step.contrast
            self._learner.update(self.team.summed(contrast, len(own) / len(rows)), self._rate_factor())
        return sums

    def _step(self, features: Tensor, target: Tensor) -> Step:
        """A batch's contrast; empty where the weights have changed already."""
        if self._within_batches:
            free, nudged = learn_continually(self._learner, self.model, features, target, self._rate_factor())
            return Step({}, nudged.output, (free.point, nudged.point))
        return self._gradient(self.model, features, target)

    def _measured(self, step: Step, target: Tensor, labels: Tensor) -> NDArray[np.float64]:
        samples = len(labels)
        costs = cost(self.model.cost, step.output, target, self.model.positions)
        correct = float((classes(self.model, step.output) == labels).double().mean()) * samples
        weighted = [samples * steps for steps in (*step.mean_steps, 1)]
        return np.array([correct, float(costs.sum()), *weighted, *step.measured])

    def _rate_factor(self) -> float:
        if self.model.spec.learning.schedule == "constant":
            return 1.0
        return 1.0 - self._share()

    def _share(self) -> float:
        """Share of the training that is done."""
        return self.update / (self.epochs * self.updates_per_epoch)

    def _epoch_metrics(self, epoch: int) -> dict[str, float]:
        metrics = {"epoch": epoch + 1, "update": self.update, **means(self._sums)}
        self._sums = np.zeros(len(SUMS))
        if self._learner.radius is not None:
            metrics["radius"] = self._learner.radius
        return metrics

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Everything but the weights that a resumed trainer needs."""
        return {**self._learner.state(), "trainer.sums": self._sums.copy()}

    def load_state(self, update: int, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Go on from an update; the model must have the weights of that update."""
        self.update = update
        self._sums = np.array(arrays["trainer.sums"], dtype=np.float64)
        self._learner.load_state(arrays)


def one_hot(model: EquilibriumNetwork, labels: Tensor) -> Tensor:
    """Targets, shape (batch, n_output).

    Raises:
        DataError: The labels are not one for each position of the output.
    """
    size, positions = len(model.biases[model.output_name]), model.positions
    if labels.shape[1:].numel() != positions:
        raise DataError(
            f"population '{model.output_name}': labels have shape {tuple(labels.shape)}; give one for each "
            f"of the {positions} positions of each sample"
        )
    hot = torch.nn.functional.one_hot(labels, size // positions).to(model.dtype)
    return hot.reshape(len(labels), size)


def classes(model: EquilibriumNetwork, output: Tensor) -> Tensor:
    """Classes of output rates, shape (batch,); of sequences, shape (batch, positions)."""
    if model.positions == 1:
        return output.argmax(1)
    return output.reshape(len(output), model.positions, -1).argmax(2)


def predict(model: EquilibriumNetwork, features: NDArray[np.floating]) -> tuple[NDArray[np.int64], Free]:
    """Classes of samples by the free phase, and the phase itself."""
    free = free_phase(model, torch.as_tensor(features, dtype=model.dtype), told=True)
    return classes(model, model.readout(free.point.states)).numpy(), free
