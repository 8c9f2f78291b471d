"""What every projection offers as a torch operator: current forward, current back, local contrast.

`forward` carries W s_pre to post, `feedback` carries g W^T s_post to pre, and `contrast` is what
each synapse sees at its two ends, nudged minus free.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mep_neuro.equilibrium.response import Response
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.network import Projection
from mep_neuro.simulation.weight_bits import rounded


class Coupling:
    """Base of the couplings: the weight, and the ends it joins.

    Attributes:
        pre: Name of the population before.
        post: Name of the population after.
        weight: As in the network; never requires grad.
        feedback_weight: Weights of the feedback where they are not `weight`; learning leaves them.
        latent: What `weight` is rounded from, where it has few bits; None otherwise.
        linear: Whether the currents are linear in the states.
    """

    linear = True

    def __init__(self, projection: Projection, dtype: torch.dtype) -> None:
        """Take the weight of a projection."""
        self.name = projection.name
        self.pre, self.post = projection.pre, projection.post
        self.plastic = projection.plastic
        self.weight = nn.Parameter(torch.tensor(projection.weight, dtype=dtype), requires_grad=False)
        fixed = projection.feedback_weight
        self.feedback_weight = None if fixed is None else torch.tensor(fixed, dtype=dtype)
        self._bits, latent = projection.weight_bits, projection.latent_weight
        self.latent = (
            None if latent is None else nn.Parameter(torch.tensor(latent, dtype=dtype), requires_grad=False)
        )

    @property
    def learned(self) -> nn.Parameter:
        """What learning moves: the weight, or the latent one that it is rounded from."""
        return self.weight if self.latent is None else self.latent

    def learned_changed(self) -> None:
        """Called after every change of what is learned."""
        if self.latent is not None and self._bits is not None:
            self.weight.copy_(torch.from_numpy(rounded(self.latent.detach().numpy(), self._bits)))
        self.weight_changed()

    def forward(self, pre: Tensor) -> Tensor:
        """W s_pre, shape (..., n_post) of the whole population."""
        raise NotImplementedError

    def feedback(self, post: Tensor) -> Tensor:
        """g W^T s_post, shape (..., n_pre) of the whole population."""
        raise NotImplementedError

    def forward_onto(self, base: Tensor, pre: Tensor) -> Tensor:
        """base + W s_pre, in one pass where that is possible."""
        return base + self.forward(pre)

    def feedback_onto(self, base: Tensor, post: Tensor) -> Tensor:
        """base + g W^T s_post, in one pass where that is possible."""
        return base + self.feedback(post)

    def contrast(self, pre: Response, post: Response, factor: float = 1.0) -> Tensor:
        """factor k (slope_post mean_pre^T + mean_post slope_pre^T), summed over the batch.

        Both slopes are held times one power of two, and k is over it: that of the post population.
        """
        raise NotImplementedError

    def accumulate(self, pre: Response, post: Response, factor: float, into: Tensor, keep: float) -> None:
        """into = keep * into + contrast, in place."""
        into.mul_(keep).add_(self.contrast(pre, post, factor))

    def squared_contrast(self, pre: Response, post: Response) -> Tensor:
        """The square of each sample's contrast, summed over the batch; like the weight."""
        total = torch.zeros_like(self.weight)
        for row in range(len(post.mean)):
            total.add_(self.contrast(pre.of(row), post.of(row)).square_())
        return total

    def bound(self) -> None:
        """Bring the weight back under the projection's own bound; most have none."""

    def weight_changed(self) -> None:
        """Called after every change of the weight."""

    def compute_in(self, dtype: torch.dtype) -> None:
        """Compute products in another dtype than the weight's, which stays as it is.

        Raises:
            UnsupportedError: The connector has no such form.
        """
        if dtype != self.weight.dtype:
            raise UnsupportedError(
                f"projection '{self.name}': only dense projections compute in {dtype} with weights in "
                f"{self.weight.dtype}, and that is offered for bfloat16 and float32; leave `compute` out"
            )


def shared_energy_weight(projection: Projection, energy_weight: NDArray[np.float64]) -> float:
    """k of the post units of a projection whose weights serve all of them.

    Raises:
        UnsupportedError: They differ, so that no single contrast is the gradient.
    """
    low, high = float(energy_weight.min()), float(energy_weight.max())
    if high - low > 1e-9 * abs(high):
        raise UnsupportedError(
            f"projection '{projection.name}': its post units have energy weights from {low:g} to {high:g}, "
            f"and the same {projection.kind} weights serve them all; give the projections that follow "
            "equal feedback gains"
        )
    return high
