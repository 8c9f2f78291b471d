"""Accuracy, cost and settling of an epoch, from what the simulation recorded of each pattern."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.learning.timetable import Timetable

Array = NDArray[np.float64]


@dataclass
class EpochMetrics:
    """Sums over the patterns of the epoch that is running; `take` empties them.

    Attributes:
        tolerance: How far a unit may move in the last steps of a phase of a pattern that has settled.
        sums: Correct, cost, settled, patterns.
    """

    tolerance: float
    sums: Array = field(default_factory=lambda: np.zeros(4))

    def add(self, answer: Array, label: int, moved: float) -> None:
        """One pattern: free output rates, its class, and the largest move at the end of its phases."""
        target = np.zeros(answer.size)
        target[label] = 1.0
        cost = 0.5 * float(np.sum((answer - target) ** 2))
        self.sums += np.array([np.argmax(answer) == label, cost, moved <= self.tolerance, 1.0])

    def take(self, epoch: int, update: int, times: Timetable, radius: float | None) -> dict[str, float]:
        """The record of the epoch, as training in torch writes it."""
        correct, cost, settled, patterns = self.sums.tolist()
        self.sums = np.zeros(4)
        record = {
            "epoch": epoch,
            "update": update,
            "train_accuracy": correct / patterns,
            "train_cost": cost / patterns,
            "settled": settled / patterns,
            "free_steps": float(times.free),
            "nudged_steps": float(times.nudged),
        }
        return record if radius is None else {**record, "radius": radius}
