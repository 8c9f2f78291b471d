"""A lattice as a stencil: synapses between units at the same distance in memory, one array each.

In a lattice most units have their neighbours at the same few distances. All synapses of one distance
(and one gain) are kept as an array over all units, zero where there is none; what one unit sees is
then a sum of products of shifted arrays, which reads the weights and the states once. Synapses at
rare distances (the seams of a periodic lattice) stay single.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mep_neuro.simulation.synapses import Synapses

SMALLEST = 15_000
"""Synapses from which the compiled loops pay for their start: with 26 neighbours, a cube of 12^3."""

RARE = 8
"""A distance with fewer synapses than one in so many units is rare."""

PADDING = 80
"""Rows of weights start in different sets of the first cache: 5 lines more than a multiple of 4 KiB."""

Index = NDArray[np.intp]
Numbers = NDArray[np.floating]


class Stencil:
    """The map of a lattice over one population, and its contrast."""

    def __init__(self, synapses: Synapses, size: int, dtype: torch.dtype) -> None:
        """Sort the synapses by distance.

        Args:
            synapses: Sorted by (lower unit, higher unit), as those of a lattice are.
            size: Units of the population.
            dtype: Of weights and states.
        """
        from mep_neuro.equilibrium.couplings.stencil_kernels import VECTOR_BYTES

        self._size, self._dtype = size, dtype
        self._lanes = 8 * VECTOR_BYTES // torch.finfo(dtype).bits
        low, high = np.minimum(synapses.pre, synapses.post), np.maximum(synapses.pre, synapses.post)
        gains, of_gain = np.unique(synapses.gain, return_inverse=True)
        keys = ((high - low) * 2 + (synapses.pre > synapses.post)) * gains.size + of_gain.ravel()
        kinds, of_edge, count = np.unique(keys, return_inverse=True, return_counts=True)
        common = count * RARE >= size
        of_edge = np.where(common, np.cumsum(common) - 1, -1)[of_edge.ravel()]
        distance, gain = np.divmod(kinds[common], max(1, gains.size))
        self._take_distances(distance // 2, distance % 2 == 1, gains[gain])
        self._take_edges(of_edge, low)
        self._take_rest(synapses, of_edge)

    def _take_distances(self, offset: Index, turned: NDArray[np.bool_], gain: NDArray[np.float64]) -> None:
        self._reach = int(offset.max(initial=0))
        self._kinds = offset.size
        self._front = self._reach + 4 * self._lanes
        least = self._size + self._front
        self._width = least + (PADDING - least) % 1024
        self._weights = torch.zeros(self._front + (offset.size + 1) * self._width, dtype=self._dtype)
        self._rows, self._line, self._ahead = _rows(offset, self._lanes)
        # Into the higher unit from the lower one, and back: each weight is read at its lower unit.
        shift = np.concatenate([-offset, offset])
        start = self._front + np.arange(offset.size) * self._width
        start = np.concatenate([start - offset, start])
        dynamic = np.concatenate([np.where(turned, gain, 1.0), np.where(turned, 1.0, gain)])
        self._shifts, line, ahead = _separate_rows(shift)
        self._where = np.full(3 * self._shifts.size, self._front, dtype=np.int64)
        self._where[line] = start - ahead
        self._gain, self._root = (self._numbers(np.zeros(self._where.size)) for _ in range(2))
        self._gain[line], self._root[line] = dynamic, np.sqrt(np.concatenate([gain, gain]))

    def _take_edges(self, of_edge: Index, low: Index) -> None:
        self._direction = of_edge.astype(np.int16)
        self._common = torch.from_numpy(np.flatnonzero(of_edge >= 0))
        place = self._front + of_edge * self._width + low
        self._place = torch.from_numpy(place[of_edge >= 0])
        self._first_edge = np.searchsorted(low, np.arange(self._size + 1))
        edges = np.diff(self._first_edge)
        expected = np.arange(of_edge.size) - self._first_edge[low]
        wrong = np.bincount(low, of_edge != expected, minlength=self._size)
        self._whole = (edges == self._kinds) & (wrong == 0)

    def _take_rest(self, synapses: Synapses, of_edge: Index) -> None:
        self._rest = np.flatnonzero(of_edge < 0)
        self._pre, self._post = synapses.pre[self._rest], synapses.post[self._rest]
        self._rest_gain = self._numbers(synapses.gain[self._rest])

    def take_weights(self, weight: Tensor) -> None:
        """Use these weights, shape (n_edges,)."""
        if self._rest.size:
            self._weights.index_copy_(0, self._place, weight.index_select(0, self._common))
            self._rest_weight = weight.numpy()[self._rest]
        else:
            self._weights.index_copy_(0, self._place, weight)

    def current(self, state: Tensor, base: Tensor | None = None) -> Tensor:
        """W s + g W^T s, added to base where there is one; shape (..., n)."""
        return self._product(state, base, self._gain, (1.0, self._rest_gain))

    def balanced(self, state: Tensor) -> Tensor:
        """What the symmetric map (entries sqrt(g) w) sends back."""
        root = np.sqrt(self._rest_gain)
        return self._product(state, None, self._root, (root, root))

    def _product(
        self, state: Tensor, base: Tensor | None, gain: Numbers, rest: tuple[Numbers | float, Numbers]
    ) -> Tensor:
        from mep_neuro.equilibrium.couplings import stencil_loops

        flat = state.reshape(-1, self._size).contiguous()
        under = state.new_zeros(1, self._size) if base is None else self._flat(base.expand_as(state))
        out = torch.empty_like(flat)
        into, seen = out.numpy(), flat.numpy()
        stencil_loops.product(
            into,
            under.numpy(),
            seen,
            self._weights.numpy(),
            self._shifts,
            self._where,
            gain,
            self._reach,
            self._lanes,
        )
        if self._rest.size:
            forth, back = (self._rest_weight * factor for factor in rest)
            stencil_loops.add_rest(into, seen, self._pre, self._post, forth, back)
        return out.reshape(state.shape)

    def contrast(self, mean: Tensor, slope: Tensor, factor: float) -> Tensor:
        """factor (slope_post mean_pre + mean_post slope_pre) of every edge, summed over the batch."""
        from mep_neuro.equilibrium.couplings import stencil_loops

        edges = mean.new_empty(self._direction.size)
        into, scale = edges.numpy(), self._numbers(np.array([factor]))[0]
        ends = self._flat(mean).numpy(), self._flat(slope).numpy()
        stencil_loops.contrast(
            into, *ends, self._rows, self._line, self._ahead,
            self._first_edge, self._whole, self._direction, scale, self._reach, self._lanes,
        )  # fmt: skip
        if self._rest.size:
            stencil_loops.contrast_rest(into, *ends, self._rest, self._pre, self._post, scale)
        return edges

    def _flat(self, states: Tensor) -> Tensor:
        """One row a sample; a single row where all samples share it."""
        if states.ndim == 2 and states.stride(0) == 0:
            states = states[:1]
        return states.reshape(-1, self._size).contiguous()

    def _numbers(self, values: NDArray[np.float64]) -> Numbers:
        numbers: Numbers = torch.from_numpy(values).to(self._dtype).numpy()
        return numbers


def _separate_rows(shift: Index) -> tuple[Index, Index, Index]:
    """As `_rows`; equal shifts (of different gains) stand in different lines."""
    order = np.argsort(shift, kind="stable")
    first = np.searchsorted(shift[order], shift[order])
    layer = np.empty(shift.size, dtype=np.int64)
    layer[order] = np.arange(shift.size) - first
    line, ahead = np.zeros(shift.size, dtype=np.int64), np.zeros(shift.size, dtype=np.int64)
    rows: list[Index] = []
    for number in range(int(layer.max(initial=-1)) + 1):
        those = layer == number
        middles, lines, ahead[those] = _rows(shift[those], 1)
        line[those] = lines + 3 * sum(r.size for r in rows)
        rows.append(middles)
    return np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64), line, ahead


def _rows(offset: Index, lanes: int) -> tuple[Index, Index, Index]:
    """Distances in threes: the middle of each three, and the (line, shift) where each distance stands.

    Three neighbouring distances share the loads of what lies that far away. Lines and shifts are
    filled up to whole vectors.
    """
    middles: list[int] = []
    for distance in np.unique(offset).tolist():
        if not middles or distance > middles[-1] + 1:
            middles.append(distance + 1)
    rows = np.array(middles, dtype=np.int64)
    row = np.searchsorted(rows + 1, offset)
    filled = -(-offset.size // lanes) * lanes
    line, ahead = np.zeros(filled, dtype=np.int64), np.zeros(filled, dtype=np.int64)
    ahead[: offset.size] = offset - rows[row]
    line[: offset.size] = 3 * row + 1 + ahead[: offset.size]
    return rows, line, ahead
