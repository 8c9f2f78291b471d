"""Dense projections."""

import math

import torch
from torch import Tensor
from torch.nn.functional import linear

from mep_neuro.equilibrium.couplings.base import Coupling
from mep_neuro.equilibrium.response import Response
from mep_neuro.simulation.network import Network, Projection


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
        self.used: Tensor = self.weight
        self._compute = dtype

    def compute_in(self, dtype: torch.dtype) -> None:
        """Carry currents in another dtype than the weight's, which stays the master."""
        self._compute = dtype
        self.weight_changed()

    def weight_changed(self) -> None:
        """Refresh the weight that carries currents."""
        if self._compute == self.weight.dtype:
            self.used = self.weight
        elif self.used.dtype == self._compute:
            self.used.copy_(self.weight)
        else:
            self.used = self.weight.to(self._compute)

    def forward(self, pre: Tensor) -> Tensor:
        """W s_pre, shape (..., n_post) of the whole population."""
        return self.spread(linear(self.take(pre, self.pre_units), self.used), self.post_units, self.post_size)

    def feedback(self, post: Tensor) -> Tensor:
        """g W^T s_post, shape (..., n_pre) of the whole population."""
        current = self.pull(post)
        return current if self.gain == 1.0 else self.gain * current

    def pull(self, post: Tensor) -> Tensor:
        """W^T s_post, without the gain."""
        return self.spread(self.take(post, self.post_units) @ self.used, self.pre_units, self.pre_size)

    def forward_onto(self, base: Tensor, pre: Tensor) -> Tensor:
        """base + W s_pre."""
        if self.pre_units is not None or self.post_units is not None:
            return base + self.forward(pre)
        return _product_onto(base, pre, self.used.T, 1.0)

    def feedback_onto(self, base: Tensor, post: Tensor) -> Tensor:
        """base + g W^T s_post."""
        if self.pre_units is not None or self.post_units is not None:
            return base + self.feedback(post)
        return _product_onto(base, post, self.used, self.gain)

    def balanced_forward(self, pre: Tensor) -> Tensor:
        """What the symmetric map (blocks sqrt(g) W) sends to post."""
        return self.forward(pre.to(self._compute)).to(self.weight.dtype).mul_(math.sqrt(self.gain))

    def balanced_feedback(self, post: Tensor) -> Tensor:
        """What the symmetric map sends to pre."""
        return self.pull(post.to(self._compute)).to(self.weight.dtype).mul_(math.sqrt(self.gain))

    def contrast(self, pre: Response, post: Response, factor: float = 1.0) -> Tensor:
        """factor k (slope_post mean_pre^T + mean_post slope_pre^T), summed over the batch."""
        total = torch.zeros_like(self.weight)
        self.accumulate(pre, post, factor, total, 0.0)
        return total

    def accumulate(self, pre: Response, post: Response, factor: float, into: Tensor, keep: float) -> None:
        """into = keep * into + contrast, each product added in one pass."""
        assert post.slope is not None  # nothing projects into a clamped population
        factor = factor * self.energy_weight
        slope, mean = self.take(post.slope, self.post_units), self.take(pre.mean, self.pre_units)
        pairs = [(slope, mean)]
        if pre.slope is not None:
            pairs.append((self.take(post.mean, self.post_units), self.take(pre.slope, self.pre_units)))
        if slope.dtype != into.dtype:
            left, right = (torch.cat(parts) for parts in zip(*pairs, strict=True))
            # One product in the states' dtype, summed over the batch in float32, added in the trace's.
            torch.add((left * factor).T @ right, into, alpha=keep, out=into)
            return
        for left, right in pairs:
            into.addmm_(left.T, right, beta=keep, alpha=factor)
            keep = 1.0

    def squared_contrast(self, pre: Response, post: Response) -> Tensor:
        """k^2 (slope_post mean_pre + mean_post slope_pre)^2 of each sample, summed over the batch.

        Three products: the squares of both terms, and twice one term times the other.
        """
        assert post.slope is not None  # nothing projects into a clamped population
        after = [self.take(t, self.post_units).to(self.weight.dtype) for t in (post.slope, post.mean)]
        mean = self.take(pre.mean, self.pre_units).to(self.weight.dtype)
        total: Tensor = after[0].square().T @ mean.square()
        if pre.slope is not None:
            slope = self.take(pre.slope, self.pre_units).to(self.weight.dtype)
            total.addmm_((after[0] * after[1]).T, mean * slope, alpha=2.0)
            total.addmm_(after[1].square().T, slope.square())
        return total.mul_(self.energy_weight**2).clamp_min_(0.0)  # a sum of squares, but for rounding

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


def _product_onto(base: Tensor, states: Tensor, matrix: Tensor, gain: float) -> Tensor:
    """base + gain * states @ matrix in one pass, whatever stands before the units."""
    if states.ndim == 2:
        return torch.addmm(base, states, matrix, alpha=gain)
    return torch.addmm(base.flatten(0, -2), states.flatten(0, -2), matrix, alpha=gain).view_as(base)
