"""Plasticity with momentum: a synapse's eligibility trace collects its contrasts and moves its weight.

    e <- momentum e + contrast,   w <- w + lr e

The arithmetic of torch.optim.SGD. It stands here because the contrast is then added to the trace by
the product that makes it: no gradient tensor, and one pass over each weight less.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mep_neuro.equilibrium.contrast import Contrast


class Eligibility:
    """Weights with their eligibility traces.

    Attributes:
        traces: e of each parameter, by name.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], momentum: float) -> None:
        """Start with empty traces."""
        self._parameters, self._momentum = parameters, momentum
        self.traces = {name: torch.zeros_like(p) for name, p in parameters.items()}

    def step(self, contrast: Mapping[str, Tensor], rate: float) -> None:
        """Take one contrast, by the names of the parameters."""
        for name, parameter in self._parameters.items():
            accumulate(contrast, name, self.traces[name], self._momentum)
            parameter.add_(self.traces[name], alpha=rate)


def accumulate(contrast: Mapping[str, Tensor], name: str, trace: Tensor, keep: float) -> None:
    """trace = keep * trace + contrast, in place."""
    if isinstance(contrast, Contrast):
        contrast.accumulate(name, trace, keep)
    else:
        trace.mul_(keep).add_(contrast[name])
