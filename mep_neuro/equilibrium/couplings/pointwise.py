"""Pointwise projections: one dense matrix shared by all positions of a sequence."""

import torch
from torch import Tensor
from torch.nn.functional import linear

from mep_neuro.equilibrium.couplings.base import Coupling, shared_energy_weight
from mep_neuro.equilibrium.couplings.dense import DenseCoupling
from mep_neuro.equilibrium.response import Response
from mep_neuro.simulation.network import Network, Projection


class PointwiseCoupling(DenseCoupling):
    """At every position, every unit of pre to every unit of post; weight (post width, pre width)."""

    def __init__(self, projection: Projection, network: Network, dtype: torch.dtype) -> None:
        """Take the weight and the parts it joins."""
        super().__init__(projection, network, dtype)
        weights = network.populations[projection.post].energy_weight[projection.post_units]
        self.energy_weight = shared_energy_weight(projection, weights)
        self._post_width, self._pre_width = self.weight.shape

    def _push(self, pre: Tensor) -> Tensor:
        """W s_pre of each position, shape (..., n_post) of the whole population."""
        part = self.take(pre, self.pre_units)
        part = part.reshape(*part.shape[:-1], -1, self._pre_width)
        return self.spread(linear(part, self.weight).flatten(-2), self.post_units, self.post_size)

    def _pull(self, post: Tensor) -> Tensor:
        """W^T s_post of each position, without the gain, shape (..., n_pre) of the whole population."""
        part = self.take(post, self.post_units)
        part = part.reshape(*part.shape[:-1], -1, self._post_width)
        return self.spread((part @ self.weight).flatten(-2), self.pre_units, self.pre_size)

    def feedback(self, post: Tensor) -> Tensor:
        """g W^T s_post, shape (..., n_pre) of the whole population."""
        current = self.pull(post)
        return current if self.gain == 1.0 else current.mul_(self.gain)

    def forward_onto(self, base: Tensor, pre: Tensor) -> Tensor:
        """base + W s_pre."""
        return base + self.forward(pre)

    def feedback_onto(self, base: Tensor, post: Tensor) -> Tensor:
        """base + g W^T s_post."""
        return base + self.feedback(post)

    def accumulate(self, pre: Response, post: Response, factor: float, into: Tensor, keep: float) -> None:
        """As of a dense projection, summed over the positions too."""
        assert post.slope is not None  # nothing projects into a clamped population
        terms = [(self._positions(post.slope, post=True), self._positions(pre.mean))]
        if pre.slope is not None:
            terms.append((self._positions(post.mean, post=True), self._positions(pre.slope)))
        self._add_products(terms, factor, into, keep)

    def squared_contrast(self, pre: Response, post: Response) -> Tensor:
        """Of each sample: its positions add up before the square, which no product of squares does."""
        return Coupling.squared_contrast(self, pre, post)

    def _positions(self, states: Tensor, *, post: bool = False) -> Tensor:
        """One row for each position of each sample."""
        if post:
            return self.take(states, self.post_units).reshape(-1, self._post_width)
        return self.take(states, self.pre_units).reshape(-1, self._pre_width)
