"""Lattices: neighbours within one population."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mep_neuro.equilibrium.couplings.base import Coupling
from mep_neuro.equilibrium.couplings.rows import Rows, carried
from mep_neuro.equilibrium.couplings.stencil import SMALLEST, Stencil
from mep_neuro.equilibrium.response import Response
from mep_neuro.simulation.network import Network, Projection
from mep_neuro.simulation.synapses import Synapses


class LatticeCoupling(Coupling):
    """Neighbours within one population: time and memory grow with the synapses.

    Forward and feedback act on the same units, so `forward` is both at once. Small lattices are
    sparse rows, large ones a compiled stencil; both compute the same.
    """

    def __init__(self, projection: Projection, network: Network, dtype: torch.dtype) -> None:
        """Take the weights, and sort the synapses."""
        super().__init__(projection, dtype)
        synapses, population = projection.synapses, network.populations[projection.pre]
        compiled = synapses.pre.size >= SMALLEST and dtype in (torch.float32, torch.float64)
        kind = Stencil if compiled else SparseRows
        self.map: SparseRows | Stencil = kind(synapses, population.size, dtype)
        k = population.energy_weight[synapses.post]
        self._energy_weight = None if (k == 1.0).all() else torch.tensor(k, dtype=dtype)
        self.weight_changed()

    def weight_changed(self) -> None:
        """Refresh what is computed with from the weights."""
        self.map.take_weights(self.weight.detach())

    def forward(self, state: Tensor) -> Tensor:
        """W s + g W^T s, shape (..., n)."""
        return self.map.current(state)

    def forward_onto(self, base: Tensor, state: Tensor) -> Tensor:
        """base + W s + g W^T s, in one pass."""
        return self.map.current(state, base)

    def balanced(self, state: Tensor) -> Tensor:
        """What the symmetric map (entries sqrt(g) w) sends back."""
        return self.map.balanced(state)

    def contrast(self, pre: Response, post: Response, factor: float = 1.0) -> Tensor:
        """factor k_post (slope_post mean_pre + mean_post slope_pre) of every edge, summed over the batch."""
        assert pre.slope is not None  # the units of a lattice settle
        edges = self.map.contrast(pre.mean, pre.slope, factor)
        return edges if self._energy_weight is None else edges.mul_(self._energy_weight)


class SparseRows:
    """The map of a lattice as sparse rows, and its contrast; for lattices that fit the caches."""

    def __init__(self, synapses: Synapses, size: int, dtype: torch.dtype) -> None:
        """Sort both directions of every synapse into rows."""
        both = (synapses.post, synapses.pre)
        self._where = Rows(np.concatenate(both), np.concatenate(both[::-1]), (size, size))
        order = self._where.order.numpy()
        self._slots = _index(np.concatenate([synapses.slot, synapses.slot])[order])
        self._pre, self._post = _index(synapses.pre), _index(synapses.post)
        dynamic = np.concatenate([np.ones(synapses.pre.size), synapses.gain])
        self._dynamic = torch.tensor(dynamic[order], dtype=dtype)
        self._root = torch.tensor(np.sqrt(np.concatenate([synapses.gain] * 2))[order], dtype=dtype)

    def take_weights(self, weight: Tensor) -> None:
        """Use these weights, shape (n_edges,)."""
        both = weight[self._slots]
        self._rows = self._where.matrix(both * self._dynamic)
        self._balanced_rows = self._where.matrix(both * self._root)

    def current(self, state: Tensor, base: Tensor | None = None) -> Tensor:
        """W s + g W^T s, added to base where there is one; shape (..., n)."""
        return carried(self._rows, state, base)

    def balanced(self, state: Tensor) -> Tensor:
        """What the symmetric map (entries sqrt(g) w) sends back."""
        return carried(self._balanced_rows, state)

    def contrast(self, mean: Tensor, slope: Tensor, factor: float) -> Tensor:
        """factor (slope_post mean_pre + mean_post slope_pre) of every edge, summed over the batch."""
        mean, slope = mean.T.contiguous(), slope.T.contiguous()
        before, after = self._pre, self._post
        edges = (slope[after] * mean[before]).sum(1) + (mean[after] * slope[before]).sum(1)
        return edges.mul_(factor)


def _index(values: NDArray[np.intp]) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)
