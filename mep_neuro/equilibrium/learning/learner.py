"""From contrasts to new weights: plasticity at every update, consolidation every `period` updates.

Adam, Muon and Dion are torch optimizers; they read a gradient that is minus the local contrast. No
autograd graph is ever built.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mep_neuro.equilibrium.bounds.certificate import within
from mep_neuro.equilibrium.bounds.homeostasis import Homeostasis
from mep_neuro.equilibrium.bounds.matrix_bound import MatrixBound
from mep_neuro.equilibrium.consolidation.optimizer_arrays import (
    carry_error,
    load_optimizer_arrays,
    optimizer_arrays,
)
from mep_neuro.equilibrium.consolidation.orthogonal import orthogonalisers
from mep_neuro.equilibrium.contrast import Contrast
from mep_neuro.equilibrium.learning.eligibility import FORGETS_EVERY, Eligibility, accumulate
from mep_neuro.equilibrium.learning.importance import EarlierTasks
from mep_neuro.equilibrium.learning.plastic import bound_of, plastic_parameters, refuse_not_finite
from mep_neuro.equilibrium.model import EquilibriumNetwork

ADAM_EPSILON = 1e-12
"""Contrasts of layers far from the output may be 1e-6 and less; torch's 1e-8 would mute them."""

ADAM_BETAS = (0.9, 0.99)
"""A few hundred updates, as on the digits, are too few for torch's second-moment memory of 1,000."""


class Learner:
    """Applies contrasts to a model.

    Attributes:
        updates: Contrasts taken so far.
        radius: Radius of the coupled map after the last bound, or None without a bound.
        earlier: What tasks that were closed need, or None where nothing is kept of them.
    """

    def __init__(self, model: EquilibriumNetwork) -> None:
        """Make the optimizers that the specification names."""
        self.updates = 0
        self.radius: float | None = None
        self._model = model
        learning, consolidation = model.spec.learning, model.spec.consolidation
        self._parameters = plastic_parameters(model)
        self._consolidated = {
            key: p
            for key, p in self._parameters.items()
            if consolidation.method != "none" and key.endswith(".weight") and p.ndim == 2
        }
        rest = {key: p for key, p in self._parameters.items() if key not in self._consolidated}
        sgd = learning.optimizer == "sgd"
        self._eligibility = Eligibility(rest if sgd else {}, learning.momentum)
        self._optimizers: list[torch.optim.Optimizer] = []
        if rest and not sgd:
            adam = torch.optim.Adam(
                list(rest.values()),
                lr=learning.lr,
                betas=ADAM_BETAS,
                eps=ADAM_EPSILON,
                maximize=True,
                fused=True,
            )
            self._optimizers.append(adam)
        self._optimizers += orthogonalisers(consolidation, self._consolidated.values())
        self._rates = [[group["lr"] for group in o.param_groups] for o in self._optimizers]
        self._sums = {key: torch.zeros_like(p) for key, p in self._consolidated.items()}
        self._bound = bound_of(model)
        home = consolidation.homeostasis
        self._homeostasis = None if home is None else Homeostasis(model, home.target, home.rate)
        kept = consolidation.importance
        self.earlier = None if kept is None else EarlierTasks(self._parameters, kept.strength)

    def bound_now(self, *, fully: bool = False) -> None:
        """Enforce the spectral bound, and each projection's own, outside the period too.

        Args:
            fully: Homeostasis goes the whole way to its target, not one step.
        """
        for coupling in self._model.projections.values():
            if coupling.plastic:
                coupling.bound()
        if self._bound is not None:
            self.radius = self._bound.enforce()
            if isinstance(self._bound, MatrixBound):  # which knows weights alone
                self._model.weights_changed()
        if self._homeostasis is not None:
            self._homeostasis.regulate(fully=fully)

    def update(self, contrast: Mapping[str, Tensor], rate_factor: float = 1.0) -> None:
        """Take one contrast.

        Args:
            contrast: By the names of `Network.arrays()`, averaged over the batch.
            rate_factor: Multiplies every learning rate, for schedules.

        Raises:
            SettleError: A contrast is not finite; no weight has changed.
        """
        if not (isinstance(contrast, Contrast) and contrast.finite):
            refuse_not_finite(contrast)
        self.updates += 1
        due = self.updates % self._model.spec.consolidation.updates == 0
        self._eligibility.step(contrast, self._model.spec.learning.lr * rate_factor)
        if self.updates % FORGETS_EVERY == 0:
            self._eligibility.forget()
        self._step_optimizers(contrast, rate_factor, due)
        self._pull_back(rate_factor, due)
        self._model.weights_changed()
        if due:
            self.bound_now()

    def move(self, contrast: Mapping[str, Tensor], rate_factor: float = 1.0) -> None:
        """Move everything plastic along a part of an update's contrast; `close_update` ends the update.

        Raises:
            SettleError: A contrast is not finite; no weight has changed.
        """
        if not (isinstance(contrast, Contrast) and contrast.finite):
            refuse_not_finite(contrast)
        for key, parameter in self._parameters.items():
            parameter.add_(contrast[key], alpha=self._model.spec.learning.lr * rate_factor)
        self._model.weights_changed()

    def close_update(self, rate_factor: float = 1.0) -> None:
        """Count an update made of moves, and bound the weights where that is due."""
        self.updates += 1
        if self.earlier is not None:
            self._pull_back(rate_factor, due=True)
            self._model.weights_changed()
        if self.updates % self._model.spec.consolidation.updates == 0:
            self.bound_now()

    def close_task(self, importance: Mapping[str, Tensor]) -> None:
        """Keep what the task needs, as `importance` measured it, while others are learned."""
        if self.earlier is not None:
            self.earlier.close(importance)

    def go_on_after(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Start another task: of the last one's `state`, take what consolidation says is kept.

        Raises:
            ValueError: The state does not hold it.
        """
        if self.earlier is not None:
            self.earlier.load_state(state)
            if not self.earlier.closed:
                raise ValueError("no importances were measured")
        share = self._model.spec.consolidation.carry_error
        if share:
            carry_error(self._optimizers, state, share)

    def nothing(self) -> dict[str, Tensor]:
        """The contrast of no samples."""
        return {key: torch.zeros_like(parameter) for key, parameter in self._parameters.items()}

    def parameters(self) -> dict[str, Tensor]:
        """Copies of everything plastic, for `restore`."""
        return {key: parameter.clone() for key, parameter in self._parameters.items()}

    def restore(self, parameters: Mapping[str, Tensor]) -> None:
        """Take back copies."""
        for key, parameter in self._parameters.items():
            parameter.copy_(parameters[key])
        self._model.weights_changed()

    def _step_optimizers(self, contrast: Mapping[str, Tensor], rate_factor: float, due: bool) -> None:
        if not self._optimizers:
            return
        for key, parameter in self._parameters.items():
            if key in self._sums:
                accumulate(contrast, key, self._sums[key], 1.0)
                parameter.grad = -self._sums[key] if due else None
            elif key not in self._eligibility.traces:
                parameter.grad = contrast[key]
        for optimizer, rates in zip(self._optimizers, self._rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * rate_factor
            optimizer.step()
        if due:
            for total in self._sums.values():
                total.zero_()

    def _pull_back(self, rate_factor: float, due: bool) -> None:
        """Towards what earlier tasks need, at the rate with which each parameter learns in the long run."""
        if self.earlier is None:
            return
        learning, consolidation = self._model.spec.learning, self._model.spec.consolidation
        rate = learning.lr / (1.0 - learning.momentum) if learning.optimizer == "sgd" else learning.lr
        rates = dict.fromkeys(self._parameters, rate * rate_factor)
        for key in self._consolidated:
            rates[key] = consolidation.lr * rate_factor if due else 0.0
        self.earlier.pull(rates)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Everything a resumed learner needs, as arrays."""
        arrays: dict[str, NDArray[np.generic]] = {"learner.updates": np.array([self.updates])}
        arrays |= optimizer_arrays(self._optimizers)
        for key, trace in {**self._sums, **self._eligibility.traces}.items():
            arrays[f"eligibility.{key}"] = trace.numpy().copy()
        if self._bound is not None:
            arrays |= {f"bound.{key}": value.numpy().copy() for key, value in self._bound.state().items()}
            arrays["learner.radius"] = np.array([np.nan if self.radius is None else self.radius])
        return arrays if self.earlier is None else arrays | self.earlier.state()

    def load_state(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Take back what `state` gave."""
        self.updates = int(arrays["learner.updates"][0])
        load_optimizer_arrays(self._optimizers, arrays)
        for traces in (self._sums, self._eligibility.traces):
            for key in traces:
                traces[key] = torch.from_numpy(arrays[f"eligibility.{key}"].copy())
        if self._bound is not None:
            kept = {k: torch.from_numpy(v) for k, v in arrays.items() if k.startswith("bound.")}
            self._bound.load_state(within(kept, "bound."))
            radius = float(arrays["learner.radius"][0])
            self.radius = None if np.isnan(radius) else radius
        if self.earlier is not None:
            self.earlier.load_state(arrays)
