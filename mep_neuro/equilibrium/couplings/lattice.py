"""Lattices: neighbours within one population."""

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mep_neuro.equilibrium.couplings.base import Coupling
from mep_neuro.equilibrium.response import Response
from mep_neuro.simulation.network import Network, Projection


class LatticeCoupling(Coupling):
    """Neighbours within one population, as sparse rows: time and memory grow with the synapses.

    Forward and feedback act on the same units, so `forward` is both at once.
    """

    def __init__(self, projection: Projection, network: Network, dtype: torch.dtype) -> None:
        """Take the weights and sort both directions of every synapse into rows."""
        super().__init__(projection, dtype)
        synapses, population = projection.synapses, network.populations[projection.pre]
        self.size = population.size
        rows = np.concatenate([synapses.post, synapses.pre])
        columns = np.concatenate([synapses.pre, synapses.post])
        order = np.lexsort((columns, rows))
        ones = np.ones(synapses.pre.size)
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=self.size))])
        self.starts = _index(starts)
        self.columns = _index(columns[order])
        self.slots = _index(np.concatenate([synapses.slot, synapses.slot])[order])
        self.pre_of_edge = _index(synapses.pre)
        self.post_of_edge = _index(synapses.post)
        self.dynamic_factor = torch.tensor(np.concatenate([ones, synapses.gain])[order], dtype=dtype)
        self.balanced_factor = torch.tensor(np.sqrt(np.concatenate([synapses.gain] * 2))[order], dtype=dtype)
        self.energy_weight = torch.tensor(population.energy_weight[synapses.post], dtype=dtype)
        self.weight_changed()

    def weight_changed(self) -> None:
        """Refresh the rows from the weights."""
        both = self.weight[self.slots]
        self._rows = self._sparse(both * self.dynamic_factor)
        self._balanced_rows = self._sparse(both * self.balanced_factor)

    def _sparse(self, values: Tensor) -> Tensor:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            return torch.sparse_csr_tensor(
                self.starts, self.columns, values, (self.size, self.size), check_invariants=False
            )

    def forward(self, state: Tensor) -> Tensor:
        """W s + g W^T s, shape (..., n)."""
        return _apply(self._rows, state)

    def balanced(self, state: Tensor) -> Tensor:
        """What the symmetric map (entries sqrt(g) w) sends back."""
        return _apply(self._balanced_rows, state)

    def contrast(self, pre: Response, post: Response, factor: float = 1.0) -> Tensor:
        """factor k_post (slope_post mean_pre + mean_post slope_pre) of every edge, summed over the batch."""
        assert pre.slope is not None  # the units of a lattice settle
        mean, slope = pre.mean.T.contiguous(), pre.slope.T.contiguous()
        before, after = self.pre_of_edge, self.post_of_edge
        edges = (slope[after] * mean[before]).sum(1) + (mean[after] * slope[before]).sum(1)
        return edges * (self.energy_weight * factor)


def _apply(rows: Tensor, state: Tensor) -> Tensor:
    flat = state.reshape(-1, state.shape[-1])
    return (rows @ flat.T).T.reshape(state.shape)


def _index(values: NDArray[np.intp]) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)
