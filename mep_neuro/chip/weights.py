"""The weights between the units on a chip: as real numbers, and rounded to the chip's grid."""

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, hstack, vstack

from mep_neuro.chip.profile import ChipProfile
from mep_neuro.simulation.currents import currents
from mep_neuro.simulation.network import Network


def real_weights(network: Network, *, inputs_on_chip: bool = False) -> csr_matrix:
    """Weights between all units on the chip before rounding, rows post, columns pre, float64."""
    inner = currents(network).recurrent
    if not inputs_on_chip:
        return inner
    settling, sizes = network.dynamic, [p.size for p in network.dynamic]
    first = dict(zip([p.name for p in settling], np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))
    shape = (inner.shape[0], network.input.size)
    from_input = csr_matrix(shape)
    for projection in network.projections.values():
        if projection.pre == network.input.name and projection.post in first:
            places = (projection.synapses.post + first[projection.post], projection.synapses.pre)
            from_input += coo_matrix((projection.forward_weights, places), shape=shape).tocsr()
    nothing = csr_matrix((network.input.size, network.input.size + inner.shape[0]))
    return csr_matrix(vstack([nothing, hstack([from_input, inner])]))


def weight_grid(profile: ChipProfile, weight_bits: int) -> tuple[int, int]:
    """Step and end of the integer weights; the same end on both sides of 0."""
    step = profile.number("weight_step") << (profile.number("weight_bits") - weight_bits)
    return step, min(profile.number("weight_high"), -profile.number("weight_low")) // step * step


def rounded(matrix: csr_matrix, scale: float, step: int) -> csr_matrix:
    """Weights at a scale, rounded to the nearest multiple of the step; int32, zeros left out."""
    data = (np.rint(matrix.data * scale / step) * step).astype(np.int32)
    weight = csr_matrix((data, matrix.indices.copy(), matrix.indptr.copy()), shape=matrix.shape)
    weight.eliminate_zeros()
    return weight
