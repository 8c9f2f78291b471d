"""What a population shows of the two phases: its mean rate and its response to the nudge."""

from typing import NamedTuple

from torch import Tensor


class Response(NamedTuple):
    """Rates of one population in the two phases, shape (batch, n) each.

    Attributes:
        mean: (s_plus + s_minus) / 2.
        slope: (s_plus - s_minus) / (beta_plus - beta_minus), per sample; None where the units are clamped.

    The contrast of a synapse, [s_post s_pre (plus) - s_post s_pre (minus)] / (beta_plus - beta_minus),
    is exactly slope_post mean_pre + mean_post slope_pre, without the difference of two nearly
    equal products.
    """

    mean: Tensor
    slope: Tensor | None
