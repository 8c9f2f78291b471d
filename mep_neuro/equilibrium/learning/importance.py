"""Continual learning: how much each weight matters to the tasks learned so far, and the pull back to them.

When a task ends, every synapse takes the mean square of its contrast over single samples,

    F = mean over samples of (k [slope_post mean_pre + mean_post slope_pre])^2,

with the target of each sample drawn from what the network itself answers. That is the diagonal of the
Fisher information, from what a synapse sees at its two ends. While later tasks are learned, each update
ends with a step towards the weight w* at the end of the last task,

    w <- w + c / (1 + c) (w* - w),     c = rate * strength * F,

the proximal step of strength / 2 sum F (w - w*)^2: it never oversteps, however large the strength, and
at strength 0 it does nothing at all. F of several tasks adds up.

Sources: Kirkpatrick et al. 2017 (elastic weight consolidation, equation 3); Huszar 2018 (one w* for the sum
of several F); Kunstner et al. 2019 (why targets are drawn, not taken from the data); Parikh and Boyd 2014,
section 6.1.1 (the proximal step).
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mep_neuro.equilibrium.contrast import bias_slope, plain_response, seen_at_ends
from mep_neuro.equilibrium.cost import SETTLED
from mep_neuro.equilibrium.learning.moment import IMPORTANCE
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import Free, Nudged, free_phase, nudged_phase

PREFIX = "tasks"
"""Begins the names of what is kept of earlier tasks among a run's arrays."""


class EarlierTasks:
    """Importance and anchor of every plastic parameter, from the tasks that were closed.

    Attributes:
        closed: Number of tasks closed.
        importance: F, summed over them, by the names of `Network.arrays()`.
        anchor: w*, the weights when the last one was closed.
    """

    def __init__(self, parameters: Mapping[str, Tensor], strength: float) -> None:
        """Start without a task."""
        self.closed = 0
        self._parameters, self._strength = parameters, strength
        self.importance = {key: torch.zeros_like(p) for key, p in parameters.items()}
        self.anchor = {key: p.detach().clone() for key, p in parameters.items()}

    def pull(self, rates: Mapping[str, float]) -> None:
        """Move the parameters named towards their anchors, each at its rate of learning."""
        if not self.closed or self._strength == 0.0:
            return
        for key, rate in rates.items():
            c = self.importance[key] * (rate * self._strength)
            self._parameters[key].lerp_(self.anchor[key], c / (1.0 + c))

    def close(self, importance: Mapping[str, Tensor]) -> None:
        """A task ends: its importance adds to that of those before."""
        self.closed += 1
        for key, parameter in self._parameters.items():
            self.importance[key] += importance[key]
            self.anchor[key] = parameter.detach().clone()

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Everything as arrays; nothing before the first task was closed."""
        if not self.closed:
            return {}
        arrays: dict[str, NDArray[np.generic]] = {f"{PREFIX}.closed": np.array([self.closed])}
        for key in self._parameters:
            arrays[f"{PREFIX}.importance.{key}"] = self.importance[key].numpy().copy()
            arrays[f"{PREFIX}.anchor.{key}"] = self.anchor[key].numpy().copy()
        return arrays

    def load_state(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Take back what `state` gave."""
        if f"{PREFIX}.closed" not in arrays:
            return
        self.closed = int(arrays[f"{PREFIX}.closed"][0])
        for key in self._parameters:
            self.importance[key] = torch.from_numpy(arrays[f"{PREFIX}.importance.{key}"].copy())
            self.anchor[key] = torch.from_numpy(arrays[f"{PREFIX}.anchor.{key}"].copy())


def importance(model: EquilibriumNetwork, features: Tensor, update: int) -> dict[str, Tensor]:
    """F of every plastic parameter on a task, by the names of `Network.arrays()`.

    Args:
        model: The network at the end of the task; not changed.
        features: Samples of the task, shape (samples, n_input).
        update: Number of the update at which it is measured: the targets depend on it and on seeds.noise.

    Raises:
        SettleError: A phase diverged.
    """
    generator = torch.Generator().manual_seed(
        int(np.random.SeedSequence([model.spec.seeds.noise, update, IMPORTANCE]).generate_state(1)[0])
    )
    total: dict[str, Tensor] = {}
    for rows in torch.split(features, model.spec.learning.batch_size):
        free = free_phase(model, rows)
        target = _drawn(model, model.readout(free.point.states), generator)
        for key, squares in squared_contrasts(model, free, nudged_phase(model, free, target)).items():
            total[key] = total[key] + squares if key in total else squares
    return {key: squares / len(features) for key, squares in total.items()}


def squared_contrasts(model: EquilibriumNetwork, free: Free, nudged: Nudged) -> dict[str, Tensor]:
    """The square of each sample's contrast, summed over the batch, by the names of `Network.arrays()`."""
    squares = {
        f"projections.{name}.weight": coupling.squared_contrast(*ends)
        for name, coupling, ends in seen_at_ends(model, free, nudged)
    }
    span = torch.as_tensor(nudged.span).expand(len(free.input_rates), 1)
    for name, attention in model.attentions.items():
        if attention.plastic:
            pre, post = (plain_response(model, free, nudged, end) for end in (attention.pre, attention.post))
            each = [
                attention.phase_contrast(pre.of(row), post.of(row), span[row]).square_()
                for row in range(len(span))
            ]
            squares[f"projections.{name}.weight"] = torch.stack(each).sum(0)
    for name, k in model.plastic_biases.items():
        slope = bias_slope(nudged, name) * k
        each = [model.shared(name, sample) for sample in slope.unbind()]
        squares[f"populations.{name}.bias"] = torch.stack(each).square().sum(0)
    return squares


def _drawn(model: EquilibriumNetwork, output: Tensor, generator: torch.Generator) -> Tensor:
    """Targets drawn from the answers: classes by their probability, or rates with normal noise.

    1/2 |s - y|^2 is minus the log likelihood of y under a normal distribution about s, deviation 1.
    """
    if model.spec.equilibrium.nudge.cost == "squared_error":
        noise = torch.randn(output.shape, generator=generator, dtype=torch.float64)
        return output + noise.to(output.dtype)
    answer = torch.softmax(output, -1) if model.cost == SETTLED else output
    each = answer.reshape(len(answer) * model.positions, -1)
    drawn = torch.multinomial(each.double(), 1, generator=generator)
    return torch.zeros_like(each).scatter_(1, drawn, 1.0).reshape(output.shape)
