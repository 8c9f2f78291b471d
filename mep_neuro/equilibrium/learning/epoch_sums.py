"""What a trainer adds up over the batches of an epoch, and the metrics that it becomes."""

import math

import numpy as np
from numpy.typing import NDArray

OF_ALL = ("train_accuracy", "train_cost", "free_steps", "nudged_steps")
OF_MEASURED = ("settled", "residual")
SUMS = (*OF_ALL, "samples", *OF_MEASURED, "measured")
"""Sums over samples, and over those whose residual was measured, each with their number."""


def means(sums: NDArray[np.float64]) -> dict[str, float]:
    """The epoch's metrics: means under the names of SUMS. A residual that is infinite, as of samples that did
    not come to rest on a chip, is left out.
    """
    totals = dict(zip(SUMS, sums.tolist(), strict=True))
    found = {name: totals[name] / totals["samples"] for name in OF_ALL}
    found |= {name: totals[name] / totals["measured"] for name in OF_MEASURED}
    return {name: value for name, value in found.items() if value < math.inf}
