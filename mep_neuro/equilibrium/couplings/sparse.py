"""Sparse projections, as rows of the synapses that there are."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mep_neuro.equilibrium.couplings.pair import PairCoupling
from mep_neuro.equilibrium.couplings.rows import Rows, carried
from mep_neuro.simulation.network import Network, Projection


class SparseCoupling(PairCoupling):
    """Some pairs of units: time and memory grow with the synapses."""

    def __init__(self, projection: Projection, network: Network, dtype: torch.dtype) -> None:
        """Take the weights and sort the synapses into rows, by post and by pre."""
        super().__init__(projection, network, dtype)
        pre, post = projection.synapses.pre, projection.synapses.post
        self._pre, self._post = _index(pre), _index(post)
        self._into_post = Rows(post, pre, (self.post_size, self.pre_size))
        self._into_pre = Rows(pre, post, (self.pre_size, self.post_size))
        self.weight_changed()

    def weight_changed(self) -> None:
        """Refresh the rows from the weights."""
        both = {"own": self.weight, "fixed": self.returned}
        self._forth = {key: _matrix(self._into_post, weight) for key, weight in both.items()}
        self._back = {key: _matrix(self._into_pre, weight) for key, weight in both.items()}

    def push(self, weight: Tensor, pre: Tensor) -> Tensor:
        """Weight times s_pre, shape (..., n_post)."""
        return carried(self._forth["own" if weight is self.weight else "fixed"], pre)

    def pull(self, weight: Tensor, post: Tensor) -> Tensor:
        """The same back, shape (..., n_pre)."""
        return carried(self._back["own" if weight is self.weight else "fixed"], post)

    def product(self, pre: Tensor, post: Tensor) -> Tensor:
        """Products of the two ends of every synapse, summed over the batch."""
        before, after = pre.T.contiguous(), post.T.contiguous()
        return (before[self._pre] * after[self._post]).sum(1)


def _matrix(rows: Rows, weight: Tensor) -> Tensor:
    return rows.matrix(weight[rows.order])


def _index(values: NDArray[np.intp]) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)
