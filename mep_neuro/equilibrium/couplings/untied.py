"""Dense projections whose feedback is not simply tied, or whose post units differ in their energy weight."""

import torch
from torch import Tensor
from torch.nn.functional import linear

from mep_neuro.equilibrium.couplings.dense import DenseCoupling
from mep_neuro.equilibrium.couplings.pair import PairCoupling
from mep_neuro.simulation.network import Network, Projection


class UntiedDenseCoupling(PairCoupling):
    """Every unit of one part to every unit of another; see `DenseCoupling` for the tied one."""

    def __init__(self, projection: Projection, network: Network, dtype: torch.dtype) -> None:
        """Take the weights and the parts they join."""
        super().__init__(projection, network, dtype)
        pre, post = torch.tensor(projection.pre_units), torch.tensor(projection.post_units)
        self._pre = None if len(pre) == self.pre_size else pre
        self._post = None if len(post) == self.post_size else post

    @classmethod
    def needed(cls, projection: Projection, network: Network) -> bool:
        """Whether a dense projection is more than `DenseCoupling` does."""
        k = network.populations[projection.post].energy_weight[projection.post_units]
        untied = projection.feedback_weight is not None or projection.feedback_gain < 0.0
        return untied or bool((k != k[0]).any())

    def push(self, weight: Tensor, pre: Tensor) -> Tensor:
        """Weight times s_pre, shape (..., n_post)."""
        current = linear(DenseCoupling.take(pre, self._pre), weight)
        return DenseCoupling.spread(current, self._post, self.post_size)

    def pull(self, weight: Tensor, post: Tensor) -> Tensor:
        """The weight transposed times s_post, shape (..., n_pre)."""
        current = DenseCoupling.take(post, self._post) @ weight
        return DenseCoupling.spread(current, self._pre, self.pre_size)

    def product(self, pre: Tensor, post: Tensor) -> Tensor:
        """s_post s_pre^T, summed over the batch."""
        return DenseCoupling.take(post, self._post).T @ DenseCoupling.take(pre, self._pre)
