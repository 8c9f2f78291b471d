"""Dense projections."""

import math
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.nn.functional import linear

from mep_neuro.equilibrium.couplings.base import Coupling
from mep_neuro.equilibrium.couplings.products import LEAST_SYNAPSES, InBfloat16
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
        self._nothing = torch.zeros((), dtype=dtype)
        self._products: AbstractContextManager[bool] = nullcontext(False)

    def compute_in(self, dtype: torch.dtype) -> None:
        """Round the factors of its products to bfloat16, where it has LEAST_SYNAPSES.

        Raises:
            UnsupportedError: Another dtype than bfloat16, or weights that are not float32.
        """
        if (self.weight.dtype, dtype) != (torch.float32, torch.bfloat16):
            super().compute_in(dtype)
        elif self.weight.numel() >= LEAST_SYNAPSES:
            self._products = InBfloat16()

    def forward(self, pre: Tensor) -> Tensor:
        """W s_pre, shape (..., n_post) of the whole population."""
        with self._products:
            return self._push(pre)

    def feedback(self, post: Tensor) -> Tensor:
        """g W^T s_post, shape (..., n_pre) of the whole population."""
        if post.ndim != 2 or self.gain == 1.0 or self.pre_units is not None or self.post_units is not None:
            current = self.pull(post)
            return current if self.gain == 1.0 else current.mul_(self.gain)
        with self._products:  # with beta 0 what the product is added to is never read
            return torch.addmm(self._nothing, post, self.weight, beta=0, alpha=self.gain)

    def pull(self, post: Tensor) -> Tensor:
        """W^T s_post, without the gain."""
        with self._products:
            return self._pull(post)

    def forward_onto(self, base: Tensor, pre: Tensor) -> Tensor:
        """base + W s_pre."""
        if self.pre_units is not None or self.post_units is not None:
            return base + self.forward(pre)
        with self._products:
            return _product_onto(base, pre, self.weight.T, 1.0)

    def feedback_onto(self, base: Tensor, post: Tensor) -> Tensor:
        """base + g W^T s_post."""
        if self.pre_units is not None or self.post_units is not None:
            return base + self.feedback(post)
        with self._products:
            return _product_onto(base, post, self.weight, self.gain)

    def balanced_forward(self, pre: Tensor) -> Tensor:
        """What the symmetric map (blocks sqrt(g) W) sends to post."""
        current = self._push(pre)
        return current if self.gain == 1.0 else current.mul_(math.sqrt(self.gain))

    def balanced_feedback(self, post: Tensor) -> Tensor:
        """What the symmetric map sends to pre."""
        current = self._pull(post)
        return current if self.gain == 1.0 else current.mul_(math.sqrt(self.gain))

    def _push(self, pre: Tensor) -> Tensor:
        part = linear(self.take(pre, self.pre_units), self.weight)
        return self.spread(part, self.post_units, self.post_size)

    def _pull(self, post: Tensor) -> Tensor:
        part = self.take(post, self.post_units) @ self.weight
        return self.spread(part, self.pre_units, self.pre_size)

    def contrast(self, pre: Response, post: Response, factor: float = 1.0) -> Tensor:
        """factor k (slope_post mean_pre^T + mean_post slope_pre^T), summed over the batch."""
        total = torch.zeros_like(self.weight)
        self.accumulate(pre, post, factor, total, 0.0)
        return total

    def accumulate(self, pre: Response, post: Response, factor: float, into: Tensor, keep: float) -> None:
        """into = keep * into + contrast, each product added in one pass."""
        assert post.slope is not None  # nothing projects into a clamped population
        terms = [(self.take(post.slope, self.post_units), self.take(pre.mean, self.pre_units))]
        if pre.slope is not None:
            terms.append((self.take(post.mean, self.post_units), self.take(pre.slope, self.pre_units)))
        self._add_products(terms, factor, into, keep)

    def _add_products(
        self, terms: list[tuple[Tensor, Tensor]], factor: float, into: Tensor, keep: float
    ) -> None:
        """into = keep * into + factor k sum of left^T right over the terms."""
        with self._products as rounded:
            if rounded and len(terms) > 1:  # so fast that another pass over `into` costs more than the copies
                terms = [(torch.cat([left for left, _ in terms]), torch.cat([right for _, right in terms]))]
            for left, right in terms:
                into.addmm_(left.T, right, beta=keep, alpha=factor * self.energy_weight)
                keep = 1.0

    def squared_contrast(self, pre: Response, post: Response) -> Tensor:
        """k^2 (slope_post mean_pre + mean_post slope_pre)^2 of each sample, summed over the batch.

        Three products: the squares of both terms, and twice one term times the other.
        """
        assert post.slope is not None  # nothing projects into a clamped population
        after = [self.take(t, self.post_units) for t in (post.slope, post.mean)]
        mean = self.take(pre.mean, self.pre_units)
        total: Tensor = after[0].square().T @ mean.square()
        if pre.slope is not None:
            slope = self.take(pre.slope, self.pre_units)
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
