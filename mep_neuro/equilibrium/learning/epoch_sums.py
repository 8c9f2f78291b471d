"""What a trainer adds up over the batches of an epoch, and the metrics that it becomes."""

import numpy as np
from numpy.typing import NDArray

SUMS = ("train_accuracy", "train_cost", "settled", "free_steps", "nudged_steps", "samples")
"""Each but the last is a sum over samples, and becomes a mean under its own name."""


def means(sums: NDArray[np.float64]) -> dict[str, float]:
    """The epoch's metrics, from the sums in the order of SUMS."""
    *totals, samples = sums.tolist()
    return {name: total / samples for name, total in zip(SUMS[:-1], totals, strict=True)}
