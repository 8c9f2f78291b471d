"""The layered networks that the step-time and accuracy benchmarks share."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Layered:
    """A chain of dense layers; the read-out inside the dynamics (squared error) or a softmax outside.

    Attributes:
        sizes: Units of each layer, the input first.
        free_steps: Half-sweeps of the free phase.
        nudged_steps: Half-sweeps of the nudged phase.
        feedback_gain: g of every projection between settling layers.
        bound: gamma of the coupled map.
        beta: Nudge strength.
        hidden: Activation of the hidden layers.
        output: Activation of the output; softmax stands outside the dynamics, with cross-entropy.
        bias: Bias of the hidden units at the start.
        gain: Of the weights between hidden layers at the start: their deviation times the root of the fan-in.
    """

    sizes: tuple[int, ...]
    free_steps: int
    nudged_steps: int
    feedback_gain: float
    bound: float
    beta: float = 0.1
    hidden: str = "hard_sigmoid"
    output: str = "tanh"
    bias: float = 0.3
    gain: float = 0.5

    @property
    def name(self) -> str:
        """As users write it: 784-256-10."""
        return "-".join(map(str, self.sizes))

    def topology(self, *, measured: bool = False, frozen: bool = False, lr: float = 0.05) -> dict[str, Any]:
        """The topology; `measured` settles to 1e-6 instead of a fixed number of steps."""
        names = ["input", *(f"hidden{i}" for i in range(1, len(self.sizes) - 1)), "output"]
        populations: dict[str, Any] = {"input": {"shape": [self.sizes[0]], "role": "input"}}
        for name, size in zip(names[1:], self.sizes[1:], strict=True):
            inner = name != "output"
            populations[name] = {"shape": [size], "neuron": "unit", "bias": self.bias if inner else 0.0}
            populations[name] |= {} if inner else {"activation": self.output}
            populations[name] |= {
                "plastic_bias": not (frozen and inner),
                "role": "hidden" if inner else "output",
            }
        projections: dict[str, Any] = {}
        for index, (pre, post) in enumerate(pairwise(names)):
            section = {"pre": pre, "post": post, "connector": {"type": "dense"}}
            section |= {"plastic": post == "output" or not frozen}
            section |= {"weight": {"gain": 3**-0.5}}  # the deviation of torch.nn.Linear, 1 / sqrt(3 fan-in)
            if index:
                section |= {"feedback_gain": self.feedback_gain if self.coupled(post) else 1.0}
                section |= {"weight": {"gain": self.gain if post != "output" else 0.1}}
            projections[f"{pre}_{post}"] = section
        steps = {} if measured else {"free_steps": self.free_steps, "nudged_steps": self.nudged_steps}
        cost = "cross_entropy" if self.output == "softmax" else "squared_error"
        nudge = {"beta": self.beta, "phases": "centered" if measured else "frozen", "cost": cost}
        return {
            "name": "layered",
            "neurons": {"unit": {"activation": self.hidden}},
            "populations": populations,
            "projections": projections,
            "equilibrium": {"tolerance": 1e-6, "max_steps": 500, "nudge": nudge, **steps},
            "learning": {"optimizer": "sgd", "lr": lr, "momentum": 0.9, "batch_size": 64},
            "consolidation": {"period": "50 updates", "spectral_bound": self.bound},
        }

    def coupled(self, post: str) -> bool:
        """Whether a population settles."""
        return post != "output" or self.output != "softmax"

    def sequential(self) -> nn.Sequential:
        """The feed-forward network of the same widths and output that backpropagation trains."""
        layers: list[nn.Module] = []
        for pre, post in pairwise(self.sizes):
            layers += [nn.Linear(pre, post), nn.ReLU()]
        return nn.Sequential(*layers[:-1], *([nn.Tanh()] if self.output == "tanh" else []))


def one_hot(labels: torch.Tensor, classes: int = 10) -> torch.Tensor:
    """Targets, float32."""
    return nn.functional.one_hot(labels, classes).float()


NETS = (
    Layered(
        (784, 256, 10), free_steps=1, nudged_steps=1, feedback_gain=0.05, bound=0.5, hidden="relu", bias=0.0
    ),
    Layered(
        (784, 512, 512, 10),
        free_steps=2,
        nudged_steps=1,
        feedback_gain=0.05,
        bound=0.4,
        hidden="relu",
        output="softmax",
        bias=0.0,
    ),
    Layered(
        (784, 256, 256, 256, 256, 10),
        free_steps=3,
        nudged_steps=1,
        feedback_gain=0.01,
        bound=0.5,
        hidden="relu",
        output="softmax",
        bias=0.0,
        gain=1.0,  # of 0.5, 0.58, 1 and 1.4 the best on the validation part
    ),
)
"""The nets of the issue. Half-sweeps, g and gamma are such that a training step's cosine is above 0.99."""
