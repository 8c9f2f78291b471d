"""The weights between the units on a chip: as real numbers, and rounded to the chip's grid."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, hstack, vstack

from mep_neuro.chip.profile import ChipProfile
from mep_neuro.chip.ranges import fitting_exponent
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


class WeightGrid:
    """The integers that a chip offers the weights of a network, at any scale of the membrane.

    A chip holds a weight of fewer bits than its own with zeros below: at 8 bits an even number, at 4 a
    multiple of 32. A synapse's exponent -x shifts what it adds to the dendrite x bits down, which is exact as
    long as only zeros fall off. Weights between two populations that are all small are therefore held x
    bits larger and take part with exponent -x: in steps 2^x finer, on the scale that the large ones fix. All
    weights between two populations, both ways, share one exponent, so that symmetric weights stay so.

    Source: Davies and others 2018, IEEE Micro 38(1): an exponent for each synapse format.
    """

    def __init__(
        self, matrix: csr_matrix, starts: Sequence[int], profile: ChipProfile, weight_bits: int
    ) -> None:
        """Find the largest weight of each pair of populations.

        Args:
            matrix: Weights between the units, rows post, columns pre, float64.
            starts: First row of each population.
            profile: The chip; where it does not say which exponents it has, all are 0.
            weight_bits: Bits of a weight.
        """
        self._matrix, self._starts = matrix, np.asarray(starts)
        self.step, self.high = weight_grid(profile, weight_bits)
        zeros = (self.step & -self.step).bit_length() - 1
        self._most = min(zeros, max(0, -(profile.weight_exponent_low.value or 0)))
        post, pre = self._pairs(matrix)
        self._largest = np.zeros((len(starts), len(starts)))
        np.maximum.at(self._largest, (post, pre), np.abs(matrix.data))
        self._largest = np.maximum(self._largest, self._largest.T)

    @property
    def largest(self) -> float:
        """Largest |weight|."""
        return float(np.abs(self._matrix.data).max(initial=0.0))

    def rounded(self, scale: float) -> csr_matrix:
        """The weights in units of 1 / scale, int32; those that round to 0 are not stored."""
        matrix, step = self._matrix, self.step >> -self.exponents(self._matrix, scale)
        data = (np.rint(matrix.data * scale / step) * step).astype(np.int32)
        weight = csr_matrix((data, matrix.indices.copy(), matrix.indptr.copy()), shape=matrix.shape)
        weight.eliminate_zeros()
        return weight

    def exponents(self, weight: csr_matrix, scale: float) -> NDArray[np.int32]:
        """Exponent of each stored weight of `rounded(scale)`, 0 or below: it is held as weight 2^-that."""
        room = [[self._room(each * scale) for each in row] for row in self._largest.tolist()]
        own: NDArray[np.int32] = -np.array(room, dtype=np.int32)[self._pairs(weight)]
        return own

    def _room(self, largest: float) -> int:
        return min(max(fitting_exponent(largest, self.high), 0), self._most) if largest > 0.0 else 0

    def _pairs(self, matrix: csr_matrix) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Population after and before each stored weight."""
        rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        return (
            np.searchsorted(self._starts, rows, side="right") - 1,
            np.searchsorted(self._starts, matrix.indices, side="right") - 1,
        )
