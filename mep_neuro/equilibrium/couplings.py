"""Projections as torch operators: current forward, current back, local contrast.

A coupling's `forward` carries W s_pre to post, `feedback` carries g W^T s_post to pre, and
`contrast` is what each synapse sees at its two ends, nudged minus free.
"""

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import linear

from mep_neuro.equilibrium.response import Response
from mep_neuro.simulation.network import Network, Projection


class Coupling:
    """Base of the couplings: the weight, and the ends it joins.

    Attributes:
        pre: Name of the population before.
        post: Name of the population after.
        weight: As in the network; never requires grad.
    """

    def __init__(self, projection: Projection, dtype: torch.dtype) -> None:
        """Take the weight of a projection."""
        self.name = projection.name
        self.pre, self.post = projection.pre, projection.post
        self.plastic = projection.plastic
        self.weight = nn.Parameter(torch.tensor(projection.weight, dtype=dtype), requires_grad=False)

    def weight_changed(self) -> None:
        """Called after every change of the weight."""


class DenseCoupling(Coupling):
    """Every unit of one part to every unit of another.

    Source: Scellier and Bengio 2017, equation 1, bilinear energy; feedback gain: Xie and Seung 2003.
    """

    def __init__(self, projection: Projection, network: Network, dtype: torch.dtype) -> None:
        """Take the weight and the parts it joins."""
        super().__init__(projection, dtype)
        pre, post = network.populations[projection.pre], network.populations[projection.post]
        self.gain = projection.feedback_gain
        self.pre_size, self.post_size = pre.size, post.size
        pre_units, post_units = torch.tensor(projection.pre_units), torch.tensor(projection.post_units)
        self.pre_units = None if len(pre_units) == pre.size else pre_units
        self.post_units = None if len(post_units) == post.size else post_units
        self.energy_weight = float(post.energy_weight[projection.post_units[0]])

    def forward(self, pre: Tensor) -> Tensor:
        """W s_pre, shape (..., n_post) of the whole population."""
        return self.spread(
            linear(self.take(pre, self.pre_units), self.weight), self.post_units, self.post_size
        )

    def feedback(self, post: Tensor) -> Tensor:
        """g W^T s_post, shape (..., n_pre) of the whole population."""
        current = self.take(post, self.post_units) @ self.weight
        return self.spread(
            current if self.gain == 1.0 else self.gain * current, self.pre_units, self.pre_size
        )

    def balanced(self, pre: Tensor, post: Tensor) -> tuple[Tensor, Tensor]:
        """What the symmetric map (blocks sqrt(g) W) sends to (pre, post)."""
        root = self.gain**0.5
        return self.feedback(post) / root, self.forward(pre) * root

    def contrast(self, pre: Response, post: Response) -> Tensor:
        """k (slope_post mean_pre^T + mean_post slope_pre^T), summed over the batch; like the weight."""
        assert post.slope is not None  # nothing projects into a clamped population
        total = self.take(post.slope, self.post_units).T @ self.take(pre.mean, self.pre_units)
        if pre.slope is not None:
            total.addmm_(self.take(post.mean, self.post_units).T, self.take(pre.slope, self.pre_units))
        return total if self.energy_weight == 1.0 else total.mul_(self.energy_weight)

    @staticmethod
    def take(state: Tensor, units: Tensor | None) -> Tensor:
        """The states of a part."""
        return state if units is None else state.index_select(-1, units)

    @staticmethod
    def spread(current: Tensor, units: Tensor | None, size: int) -> Tensor:
        """A part's currents in the whole population."""
        if units is None:
            return current
        return current.new_zeros(*current.shape[:-1], size).index_copy_(-1, units, current)


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

    def contrast(self, pre: Response, post: Response) -> Tensor:
        """k_post (slope_post mean_pre + mean_post slope_pre) of every edge, summed over the batch."""
        assert pre.slope is not None  # the units of a lattice settle
        mean, slope = pre.mean.T.contiguous(), pre.slope.T.contiguous()
        before, after = self.pre_of_edge, self.post_of_edge
        edges = (slope[after] * mean[before]).sum(1) + (mean[after] * slope[before]).sum(1)
        return edges * self.energy_weight


def _apply(rows: Tensor, state: Tensor) -> Tensor:
    flat = state.reshape(-1, state.shape[-1])
    return (rows @ flat.T).T.reshape(state.shape)


def _index(values: NDArray[np.intp]) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)


def make_coupling(
    projection: Projection, network: Network, dtype: torch.dtype
) -> DenseCoupling | LatticeCoupling:
    """The operator of a projection."""
    if projection.kind == "lattice":
        return LatticeCoupling(projection, network, dtype)
    return DenseCoupling(projection, network, dtype)
