"""What quantization did to each projection."""

from dataclasses import dataclass

import numpy as np

from mep_neuro.chip.quantized import Quantized
from mep_neuro.chip.weights import real_weights
from mep_neuro.simulation.network import Network


@dataclass(frozen=True)
class ProjectionPrecision:
    """The integers of one projection, both directions together where it has both.

    Attributes:
        projection: Its name.
        scale: Value of the integer 1, 2^-E.
        synapses: Weights in use, feedback included.
        worst: Largest |W - weight 2^-E|.
        mean: Mean of the same.
        saturated: Weights at the end of the chip's range; none is clipped.
        zeroed: Weights that were not 0 and became it.
        dead: Units at its two ends all of whose weights here became 0.
    """

    projection: str
    scale: float
    synapses: int
    worst: float
    mean: float
    saturated: int
    zeroed: int
    dead: int


def report(quantized: Quantized) -> tuple[ProjectionPrecision, ...]:
    """One row for each projection between units on the chip, in the file's order.

    Where projections share synapses, the chip holds the sum of their weights, and so does each row.
    """
    exact = real_weights(quantized.network, inputs_on_chip=quantized.inputs_on_chip)
    scale = 2.0**-quantized.weight_exponent
    rows = []
    for name, projection in quantized.network.projections.items():
        if projection.pre not in quantized.offsets or projection.post not in quantized.offsets:
            continue
        pre = projection.synapses.pre + quantized.offsets[projection.pre]
        post = projection.synapses.post + quantized.offsets[projection.post]
        both = [np.r_[post, pre], np.r_[pre, post]]
        one_way = projection.pre == quantized.network.input.name
        places = np.unique(np.stack([post, pre] if one_way else both), axis=1)
        wanted = np.asarray(exact[places[0], places[1]]).ravel()
        held = np.asarray(quantized.weight[places[0], places[1]]).ravel()
        error = np.abs(wanted - held * scale)
        driven = np.bincount(places[0], weights=wanted != 0, minlength=quantized.size) > 0
        left = np.bincount(places[0], weights=held != 0, minlength=quantized.size) > 0
        rows.append(
            ProjectionPrecision(
                projection=name,
                scale=scale,
                synapses=int(np.count_nonzero(held)),
                worst=float(error.max()),
                mean=float(error.mean()),
                saturated=int((np.abs(held) >= quantized.weight_high).sum()),
                zeroed=int(((held == 0) & (wanted != 0)).sum()),
                dead=int(np.count_nonzero(driven & ~left)),
            )
        )
    return tuple(rows)


def with_rounded(quantized: Quantized, projection: str) -> Network:
    """The float network, the weights of one projection rounded as the chip's are."""
    network, name = quantized.network, f"projections.{projection}.weight"
    arrays = network.arrays()
    synapse = network.projections[projection].synapses.scale
    steps = np.ldexp(arrays[name] * synapse, quantized.weight_exponent) / quantized.weight_step
    held = np.rint(steps) * quantized.weight_step
    arrays[name] = np.ldexp(held, -quantized.weight_exponent) / synapse
    return network.with_arrays(arrays)
