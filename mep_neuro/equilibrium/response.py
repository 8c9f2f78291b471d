"""What a population shows of the two phases: its mean rate and its response to the nudge.

A response shrinks by g with every layer from the output, as the energy weight k grows: 100 layers at
g = 0.02 make it 1e-170. What a contrast needs is k times the response, which is of order one in
every layer. So in a deep network every population's responses, and half-differences while they
settle, are held times its power of two near k (`Population.energy_exponent`): exactly the same
numbers, as scaling by a power of two rounds nothing, in a range that every float has.
"""

from typing import NamedTuple

from torch import Tensor


class Response(NamedTuple):
    """Rates of one population in the two phases, shape (batch, n) each.

    Attributes:
        mean: (s_plus + s_minus) / 2.
        slope: (s_plus - s_minus) / (beta_plus - beta_minus) times 2**energy_exponent of the population,
            per sample; None where the units are clamped.
        error: The errors in place of the rates, in predictive coding alone.

    The contrast of a synapse, [s_post s_pre (plus) - s_post s_pre (minus)] / (beta_plus - beta_minus),
    is exactly slope_post mean_pre + mean_post slope_pre, without the difference of two nearly
    equal products.
    """

    mean: Tensor
    slope: Tensor | None
    error: "Response | None" = None

    @property
    def received(self) -> "Response":
        """What the synapses into the population see of it: its rates, or its errors."""
        return self if self.error is None else self.error

    def of(self, row: int) -> "Response":
        """The response of one sample, as a batch of one."""
        mean, slope = self.mean[row : row + 1], self.slope
        return Response(mean, None if slope is None else slope[row : row + 1])
