"""Plasticity with momentum: a synapse's eligibility trace collects its contrasts and moves its weight.

    e <- momentum e + contrast,   w <- w + lr e

The arithmetic of torch.optim.SGD. It stands here because the contrast is then added to the trace by
the product that makes it: no gradient tensor, and one pass over each weight less.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mep_neuro.equilibrium.contrast import Contrast

NEGLIGIBLE = 1e-30
"""A trace of this size moves no weight: it is below the rounding of all that are above 1e-22."""

FORGETS_EVERY = 50
"""Updates. A trace on which nothing arrives, of a silent unit or a dark pixel, decays until it is denormal
and stays so: 0.9 of the least such number is rounded up. Products with them are slow: after 1,000 updates of
MNIST 1 to 2 % of all traces were denormal, and a whole step took 1.4 times as long."""


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
        biases = contrast.biases if isinstance(contrast, Contrast) and self._momentum else {}
        together = [name for name in self._parameters if name in biases]
        for name, parameter in self._parameters.items():
            if name not in biases:
                accumulate(contrast, name, self.traces[name], self._momentum)
                parameter.add_(self.traces[name], alpha=rate)
        if together:  # their contrasts stand there already: traces and weights move in one call
            torch._fused_sgd_(
                [self._parameters[name] for name in together],
                [biases[name] for name in together],
                [self.traces[name] for name in together],
                lr=-rate,  # it descends
                momentum=self._momentum,
                weight_decay=0.0,
                dampening=0.0,
                nesterov=False,
                maximize=False,
                is_first_step=False,
            )

    def forget(self) -> None:
        """Set to 0 what has decayed to `NEGLIGIBLE`; to be called every `FORGETS_EVERY` updates."""
        for trace in self.traces.values():
            trace.copy_(torch.nn.functional.hardshrink(trace, NEGLIGIBLE))


def accumulate(contrast: Mapping[str, Tensor], name: str, trace: Tensor, keep: float) -> None:
    """trace = keep * trace + contrast, in place."""
    if isinstance(contrast, Contrast):
        contrast.accumulate(name, trace, keep)
    else:
        trace.mul_(keep).add_(contrast[name])
