"""The residual chain that the depth benchmark and the tests of depth train."""

from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

BETA = 0.01


@dataclass(frozen=True)
class Residual:
    """Layers of equal width, s_l = relu((a I + V_l) s_{l-1} + g (a I + V_{l+1})^T s_{l+1} + b_l).

    V is dense and learns, a I is a fixed one-to-one projection beside it with a = 1 - g: what g sends back
    is missing on the way forward, so that a signal neither grows nor fades along the chain. It turns
    back g L times on its way; g = 2 / L keeps that at two in every depth.

    Attributes:
        layers: Settling layers.
        feedback_gain: g.
        inputs: Features.
        width: Units of a layer.
        skips: Whether a I is there.
        gain: V starts with deviation gain / sqrt(width).
        rate: Learning rate times the number of layers: Adam moves all of them the same way, so the output
            moves with their number.
        free_steps: Half-sweeps of the free phase.
        nudged_steps: Half-sweeps of the nudged phase.
        batch: Samples an update.
    """

    layers: int
    feedback_gain: float
    inputs: int = 784
    width: int = 64
    skips: bool = True
    gain: float = 0.03
    rate: float = 0.1
    free_steps: int = 5
    nudged_steps: int = 4
    batch: int = 64

    @property
    def names(self) -> list[str]:
        """The settling layers, from the input."""
        return [f"h{number}" for number in range(1, self.layers + 1)]

    def topology(self) -> dict[str, Any]:
        """As a topology file."""
        g, names = self.feedback_gain, self.names
        projections: dict[str, Any] = {"in": {"pre": "input", "post": "h1", "connector": {"type": "dense"}}}
        for pre, post in pairwise(names):
            ends = {"pre": pre, "post": post, "feedback_gain": g}
            dense = {"connector": {"type": "dense"}, "weight": {"gain": self.gain}}
            projections[f"{pre}_{post}"] = {**ends, **dense}
            if self.skips:
                weight = {"init": "constant", "gain": 1.0 - g}
                skip = {"connector": {"type": "one_to_one"}, "plastic": False, "weight": weight}
                projections[f"{pre}_{post}_skip"] = {**ends, **skip}
        projections["read"] = {"pre": names[-1], "post": "output", "connector": {"type": "dense"}}
        return {
            "name": "residual",
            "neurons": {"unit": {"activation": "relu"}},
            "populations": {
                "input": {"shape": [self.inputs], "role": "input"},
                **{name: {"shape": [self.width], "neuron": "unit"} for name in names},
                "output": {"shape": [10], "role": "output", "activation": "softmax"},
            },
            "projections": projections,
            "equilibrium": {
                "free_steps": self.free_steps,
                "nudged_steps": self.nudged_steps,
                "nudge": {"beta": BETA, "phases": "frozen", "cost": "cross_entropy"},
            },
            "learning": {
                "optimizer": "adam",
                "lr": self.rate / self.layers,
                "batch_size": self.batch,
            },
        }

    def feedforward(self) -> "FeedForward":
        """The same chain without feedback, for backpropagation."""
        return FeedForward(self)


class FeedForward(nn.Module):
    """s_l = relu(s_{l-1} + V_l s_{l-1} + b_l) in eager torch, started as the topology starts."""

    def __init__(self, chain: Residual) -> None:
        """Draw the weights."""
        super().__init__()
        widths = [chain.inputs, *[chain.width] * chain.layers, 10]
        self.linear = nn.ModuleList(nn.Linear(pre, post) for pre, post in pairwise(widths))
        self._skips = chain.skips
        for number, layer in enumerate(self.linear):
            inner = 0 < number < chain.layers
            nn.init.normal_(layer.weight, std=(chain.gain if inner else 1.0) / sqrt(layer.in_features))
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        state = torch.relu(self.linear[0](x))
        for layer in list(self.linear)[1:-1]:
            current = layer(state)
            state = torch.relu(state + current if self._skips else current)
        logits: Tensor = self.linear[-1](state)
        return logits
