"""What quantization did to each projection."""

from dataclasses import dataclass

import numpy as np

from mep_neuro.chip.quantize import Quantized
from mep_neuro.simulation.currents import currents


@dataclass(frozen=True)
class ProjectionPrecision:
    """The integers of one projection, both directions together.

    Attributes:
        projection: Its name.
        scale: Value of the integer 1, 2^-E.
        synapses: Weights in use, feedback included.
        worst: Largest |W - weight 2^-E|.
        mean: Mean of the same.
        saturated: Weights at the end of the chip's range; none is clipped.
        zeroed: Weights that were not 0 and became it.
    """

    projection: str
    scale: float
    synapses: int
    worst: float
    mean: float
    saturated: int
    zeroed: int


def report(quantized: Quantized) -> tuple[ProjectionPrecision, ...]:
    """One row for each projection between settling units, in the file's order.

    Where projections share synapses, the chip holds the sum of their weights, and so does each row.
    """
    exact = currents(quantized.network).recurrent
    scale = 2.0**-quantized.weight_exponent
    rows = []
    for name, projection in quantized.network.projections.items():
        if projection.pre not in quantized.offsets or projection.post not in quantized.offsets:
            continue
        pre = projection.synapses.pre + quantized.offsets[projection.pre]
        post = projection.synapses.post + quantized.offsets[projection.post]
        places = np.unique(np.stack([np.r_[post, pre], np.r_[pre, post]]), axis=1)
        wanted = np.asarray(exact[places[0], places[1]]).ravel()
        held = np.asarray(quantized.weight[places[0], places[1]]).ravel()
        error = np.abs(wanted - held * scale)
        rows.append(
            ProjectionPrecision(
                projection=name,
                scale=scale,
                synapses=int(np.count_nonzero(held)),
                worst=float(error.max()),
                mean=float(error.mean()),
                saturated=int((np.abs(held) >= quantized.weight_high).sum()),
                zeroed=int(((held == 0) & (wanted != 0)).sum()),
            )
        )
    return tuple(rows)
