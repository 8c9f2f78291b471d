"""What quantization did to each projection."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from mep_neuro.chip.lif.quantize import QuantizedLif
from mep_neuro.chip.quantized import Quantized
from mep_neuro.chip.weights import real_weights, weight_grid
from mep_neuro.simulation.network import Network


@dataclass(frozen=True)
class ProjectionPrecision:
    """The integers of one projection, both directions together where it has both.

    Attributes:
        projection: Its name.
        scale: Value of the integer 1 that a synapse holds; for EPSigmaDelta 2^-E, or finer by its exponent.
        synapses: Weights in use, feedback included.
        worst: Largest |W - weight scale|.
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


def report(quantized: Quantized | QuantizedLif) -> tuple[ProjectionPrecision, ...]:
    """One row for each projection between units on the chip, in the file's order.

    Where projections share synapses, the chip holds the sum of their weights, and so does each row.
    """
    inputs = quantized.network.input.name in quantized.offsets
    exact = real_weights(quantized.network, inputs_on_chip=inputs)
    weight = _between_first_neurons(quantized, quantized.held)
    _, high = weight_grid(quantized.profile, quantized.weight_bits)
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
        held = np.asarray(weight[places[0], places[1]]).ravel()
        scale = 1.0 / weight_scale(quantized, name)
        error = np.abs(wanted - held * scale)
        driven = np.bincount(places[0], weights=wanted != 0, minlength=exact.shape[0]) > 0
        left = np.bincount(places[0], weights=held != 0, minlength=exact.shape[0]) > 0
        rows.append(
            ProjectionPrecision(
                projection=name,
                scale=scale,
                synapses=int(np.count_nonzero(held)),
                worst=float(error.max()),
                mean=float(error.mean()),
                saturated=int((np.abs(held) >= high).sum()),
                zeroed=int(((held == 0) & (wanted != 0)).sum()),
                dead=int(np.count_nonzero(driven & ~left)),
            )
        )
    return tuple(rows)


def with_rounded(quantized: Quantized | QuantizedLif, projection: str) -> Network:
    """The float network, the weights of one projection rounded as the chip's are."""
    network, name = quantized.network, f"projections.{projection}.weight"
    step, _ = weight_grid(quantized.profile, quantized.weight_bits)
    scale = weight_scale(quantized, projection) * network.projections[projection].synapses.scale / step
    return network.with_arrays({**network.arrays(), name: np.rint(network.arrays()[name] * scale) / scale})


def weight_scale(quantized: Quantized | QuantizedLif, projection: str) -> float:
    """What a synapse of a projection holds for the weight 1."""
    ends = quantized.network.projections[projection]
    rows, columns = (
        slice(start, start + quantized.network.populations[name].size)
        for name, start in ((name, quantized.offsets[name]) for name in (ends.post, ends.pre))
    )
    shifts = _between_first_neurons(quantized, -quantized.synapse_exponents)[rows, columns]
    return quantized.weight_scale * 2.0 ** int(shifts.max())  # one for all; 0 where all weights became 0


def _between_first_neurons(quantized: Quantized | QuantizedLif, values: NDArray[np.int32]) -> csr_matrix:
    """Values of the stored weights between units, shape (size, size); of pairs between the first neurons."""
    weight = quantized.weight
    matrix = csr_matrix((values, weight.indices, weight.indptr), shape=weight.shape)
    return matrix[: quantized.size, : quantized.size]
