"""What couplings between two populations share: the gain, the feedback's own weights, k, the balanced map."""

import math

import torch
from torch import Tensor

from mep_neuro.equilibrium.couplings.base import Coupling
from mep_neuro.equilibrium.response import Response
from mep_neuro.simulation.network import Network, Projection


class PairCoupling(Coupling):
    """Forward W, feedback g B^T; B is W, or fixed random weights (feedback alignment).

    A connector says what `push`, `pull` and `product` are.

    Attributes:
        gain: g, below 0 where the coupling is antisymmetric.
        energy_weight: k of the post units: a number, or one for each where they differ.

    Sources: Xie and Seung 2003 (gain); Lillicrap et al. 2016 (random feedback).
    """

    def __init__(self, projection: Projection, network: Network, dtype: torch.dtype) -> None:
        """Take the weights and the sizes of both ends."""
        super().__init__(projection, dtype)
        self.gain = projection.feedback_gain
        self.pre_size = network.populations[projection.pre].size
        self.post_size = network.populations[projection.post].size
        k = network.populations[projection.post].energy_weight
        reached = k[projection.post_units]
        uniform = bool((reached == reached[:1]).all())
        self.energy_weight = float(reached[0]) if uniform and reached.size else torch.tensor(k, dtype=dtype)

    def push(self, weight: Tensor, pre: Tensor) -> Tensor:
        """Weight times s_pre, shape (..., n_post) of the whole population."""
        raise NotImplementedError

    def pull(self, weight: Tensor, post: Tensor) -> Tensor:
        """The adjoint of `push`, shape (..., n_pre) of the whole population."""
        raise NotImplementedError

    def product(self, pre: Tensor, post: Tensor) -> Tensor:
        """s_post s_pre of every weight, summed over its synapses and the batch; like the weight."""
        raise NotImplementedError

    @property
    def symmetric(self) -> bool:
        """Whether the balanced map is symmetric, so that an energy belongs to the coupling."""
        return self.feedback_weight is None and self.gain > 0.0

    @property
    def returned(self) -> Tensor:
        """B, the weights of the feedback."""
        return self.weight if self.feedback_weight is None else self.feedback_weight

    def forward(self, pre: Tensor) -> Tensor:
        """W s_pre, shape (..., n_post) of the whole population."""
        return self.push(self.weight, pre)

    def feedback(self, post: Tensor) -> Tensor:
        """g B^T s_post, shape (..., n_pre) of the whole population."""
        current = self.pull(self.returned, post)
        return current if self.gain == 1.0 else current.mul_(self.gain)

    def balanced_forward(self, pre: Tensor) -> Tensor:
        """What the balanced map (blocks sqrt(|g|) W, and B on the way back) sends to post."""
        return self.forward(pre) * math.sqrt(abs(self.gain))

    def balanced_feedback(self, post: Tensor) -> Tensor:
        """What the balanced map sends to pre."""
        return self.feedback(post) / math.sqrt(abs(self.gain))

    def balanced_forward_transposed(self, post: Tensor) -> Tensor:
        """What the transpose of `balanced_forward` sends to pre."""
        return self.pull(self.weight, post) * math.sqrt(abs(self.gain))

    def balanced_feedback_transposed(self, pre: Tensor) -> Tensor:
        """What the transpose of `balanced_feedback` sends to post."""
        return self.push(self.returned, pre) * math.copysign(math.sqrt(abs(self.gain)), self.gain)

    def contrast(self, pre: Response, post: Response, factor: float = 1.0) -> Tensor:
        """factor k (slope_post mean_pre + mean_post slope_pre) of every weight, summed over the batch."""
        assert post.slope is not None  # nothing projects into a clamped population
        k = self.energy_weight
        mean, slope = (post.mean, post.slope) if isinstance(k, float) else (k * post.mean, k * post.slope)
        if pre.slope is None:
            total = self.product(pre.mean, slope)
        else:
            total = self.product(torch.cat([pre.mean, pre.slope]), torch.cat([slope, mean]))
        return total.mul_(factor * k if isinstance(k, float) else factor)
