"""Accuracy with its 95 % confidence interval."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mep_neuro.backends.interval import interval


class Accuracy(NamedTuple):
    """A fraction of samples with the right class.

    Attributes:
        value: The fraction.
        low: Lower end of its 95 % Wilson interval.
        high: Upper end.
        samples: Number of samples, or of the positions of all sequences.
    """

    value: float
    low: float
    high: float
    samples: int


def accuracy(predicted: NDArray[np.integer], labels: NDArray[np.integer]) -> Accuracy:
    """How many predictions are right, shape (samples,) each, or (samples, positions).

    The interval takes every position for a trial of its own, which those of one sequence are not.

    Raises:
        ValueError: The shapes differ, or there is no sample.
    """
    if predicted.shape != labels.shape or predicted.ndim not in (1, 2):
        raise ValueError(
            f"accuracy: predictions {predicted.shape} for labels {labels.shape}; give one a sample"
        )
    return of_count(int(np.count_nonzero(predicted == labels)), int(labels.size))


def of_count(right: int, samples: int) -> Accuracy:
    """The same from a count of right predictions.

    Raises:
        ValueError: There is no sample, or the count does not fit.
    """
    low, high = interval(right, samples)
    return Accuracy(right / samples, low, high, samples)
