"""Both directions of every projection between settling units as matrices of whole numbers.

A weight is held as floor(2^24 w + 1/2) in float64, so that every product and sum is exact; see
`neurons/fixed_point.py`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mep_neuro.errors import UnsupportedError
from mep_neuro.neurons.fixed_point import GRID_BITS, LARGEST_SUM

if TYPE_CHECKING:
    from mep_neuro.equilibrium.model import EquilibriumNetwork

UNIT = 2.0**GRID_BITS
"""Grid steps of the value 1."""

DENSE_SHARE = 0.1
"""Of its places that a block fills: above, a dense product is faster than one over its synapses."""


class _Way(NamedTuple):
    """One direction of one projection: a row for each synapse, times `factor` the weight of its slot."""

    projection: str
    own_feedback: bool
    row: NDArray[np.intp]
    column: NDArray[np.intp]
    slot: NDArray[np.intp]
    factor: NDArray[np.float64]


class _Block:
    """All currents from the units of one population into those of another."""

    def __init__(self, to: slice, of: slice, ways: list[_Way]) -> None:
        """Lay out the synapses."""
        self.to, self.of = to, of
        shape = (to.stop - to.start, of.stop - of.start)
        keys = [way.row * shape[1] + way.column for way in ways]
        found, places = np.unique(np.concatenate(keys), return_inverse=True)
        self.dense = found.size >= DENSE_SHARE * shape[0] * shape[1]
        at = np.concatenate(keys) if self.dense else places
        ends = np.cumsum([key.size for key in keys])[:-1]
        self._ways = [
            (way, torch.as_tensor(way.slot), torch.as_tensor(way.factor), torch.as_tensor(place))
            for way, place in zip(ways, np.split(at, ends), strict=True)
        ]
        self._shape = shape
        self._size = shape[0] * shape[1] if self.dense else found.size
        rows = np.bincount(found // shape[1], minlength=shape[0])
        self._starts = torch.as_tensor(np.concatenate([[0], np.cumsum(rows)]))
        self._columns = torch.as_tensor(found % shape[1])
        self.matrix = torch.zeros(0)

    def refresh(self, model: "EquilibriumNetwork") -> None:
        """Take the present weights."""
        values = torch.zeros(self._size, dtype=torch.float64)
        for way, slot, factor, place in self._ways:
            coupling = model.couplings[way.projection]
            weight = coupling.feedback_weight if way.own_feedback else coupling.weight
            assert weight is not None  # the projection says that it has its own
            synapse = factor * weight.detach().double().ravel()[slot]
            values.index_add_(0, place, synapse.mul_(UNIT).add_(0.5).floor_())
        if self.dense:
            self.matrix = values.reshape(self._shape)
        else:
            self.matrix = torch.sparse_csr_tensor(
                self._starts, self._columns, values, self._shape, check_invariants=False
            )

    @property
    def row_sums(self) -> Tensor:
        """Sum of |weight| into each unit."""
        matrix = self.matrix if self.dense else self.matrix.to_dense()
        return matrix.abs().sum(1)


class SpikingSynapses:
    """The synapses of a network whose settling units stand one under the other, in `model.settling` order.

    Attributes:
        rows: Units of each settling population.
    """

    def __init__(self, model: "EquilibriumNetwork") -> None:
        """Lay out the blocks of a model."""
        sizes = [model.network.populations[name].size for name in model.settling]
        ends = np.cumsum(sizes).tolist()
        self.rows = {n: slice(e - s, e) for n, s, e in zip(model.settling, sizes, ends, strict=True)}
        self.units = int(ends[-1])
        self._model, self._stale = model, True
        ways: dict[tuple[str, str], list[_Way]] = {}
        for name in model.couplings:
            projection = model.network.projections[name]
            one = projection.synapses
            forth, back = np.full(one.pre.size, one.scale), one.gain * one.scale
            own = projection.feedback_weight is not None
            pre, post = projection.pre, projection.post
            ways.setdefault((post, pre), []).append(_Way(name, False, one.post, one.pre, one.slot, forth))
            ways.setdefault((pre, post), []).append(_Way(name, own, one.pre, one.post, one.slot, back))
        self._blocks = [_Block(self.rows[to], self.rows[of], way) for (to, of), way in ways.items()]
        first: Mapping[int, int] = {b.to.start: k for k, b in reversed(list(enumerate(self._blocks)))}
        self._first = [first[block.to.start] == k for k, block in enumerate(self._blocks)]
        self._unreached = [rows for rows in self.rows.values() if rows.start not in first]

    def weights_changed(self) -> None:
        """Take the weights again before the next product."""
        self._stale = True

    def product(self, sent: Tensor, out: Tensor) -> Tensor:
        """Weights times what was sent, shape (units, batch), in grid steps, written into `out`.

        Raises:
            UnsupportedError: The weights into a unit are so large that sums could lose exactness.
        """
        if self._stale:
            self._refresh()
        for rows in self._unreached:
            out[rows] = 0.0
        for block, first in zip(self._blocks, self._first, strict=True):
            into, source = out[block.to], sent[block.of]
            if block.dense and first:
                # numpy's product of 10 x 256 by 256 x 64 takes 23 us where torch's takes 150; as the sums
                # are exact, the two are equal.
                np.matmul(block.matrix.numpy(), source.numpy(), out=into.numpy())
            elif block.dense:
                into.add_(torch.from_numpy(block.matrix.numpy() @ source.numpy()))
            else:
                current = block.matrix @ source
                into.copy_(current) if first else into.add_(current)
        return out

    def _refresh(self) -> None:
        largest = torch.zeros(self.units, dtype=torch.float64)
        for block in self._blocks:
            block.refresh(self._model)
            largest[block.to] += block.row_sums / UNIT
        most = float(largest.max())
        if not most <= LARGEST_SUM:
            raise UnsupportedError(
                f"spiking: the weights into one unit add up to {most:.4g}, and sums are exact up to "
                f"{LARGEST_SUM:g}; lower them, or set consolidation.spectral_bound"
            )
        self._stale = False
