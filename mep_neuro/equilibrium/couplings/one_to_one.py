"""One-to-one projections: skips and residual paths."""

import torch
from torch import Tensor

from mep_neuro.equilibrium.couplings.pair import PairCoupling
from mep_neuro.simulation.network import Network, Projection


class OneToOneCoupling(PairCoupling):
    """The first unit of a part to the first of another, the second to the second."""

    def __init__(self, projection: Projection, network: Network, dtype: torch.dtype) -> None:
        """Take the weight and the parts it joins."""
        super().__init__(projection, network, dtype)
        synapses = projection.synapses
        self._pre = None if synapses.pre.size == self.pre_size else torch.tensor(synapses.pre)
        self._post = None if synapses.post.size == self.post_size else torch.tensor(synapses.post)

    def push(self, weight: Tensor, pre: Tensor) -> Tensor:
        """Each unit times its weight, shape (..., n_post)."""
        return _spread(weight * _take(pre, self._pre), self._post, self.post_size)

    def pull(self, weight: Tensor, post: Tensor) -> Tensor:
        """The same back, shape (..., n_pre)."""
        return _spread(weight * _take(post, self._post), self._pre, self.pre_size)

    def product(self, pre: Tensor, post: Tensor) -> Tensor:
        """Products of the two ends, summed over the batch."""
        return (_take(pre, self._pre) * _take(post, self._post)).sum(0)


def _take(state: Tensor, units: Tensor | None) -> Tensor:
    return state if units is None else state.index_select(-1, units)


def _spread(current: Tensor, units: Tensor | None, size: int) -> Tensor:
    if units is None:
        return current
    return current.new_zeros(*current.shape[:-1], size).index_copy_(-1, units, current)
