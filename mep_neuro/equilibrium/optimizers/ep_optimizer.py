"""The torch optimizer of models that learn by Equilibrium Propagation, or by backprop to compare with."""

import warnings
from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor, nn

from mep_neuro.equilibrium.optimizers.bounds import Bounds
from mep_neuro.equilibrium.optimizers.model_network import Gradients, ModelNetwork
from mep_neuro.equilibrium.optimizers.rule import Rule, check, check_keys
from mep_neuro.equilibrium.optimizers.rules import move
from mep_neuro.equilibrium.optimizers.settling import Settling

_OWN = ("_bounds", "_steps", "_warned", "_network")

Parameters = Iterable[nn.Parameter] | Iterable[tuple[str, nn.Parameter]] | Iterable[dict[str, Any]]


class EPOptimizer(torch.optim.Optimizer):
    """Steps from local contrasts, without `loss.backward()`.

        optimizer.step(x=x, target=y)     mode 'ep': two phases, contrast, step, bound
        optimizer.step()                  a step along `p.grad`, whoever made it: `loss.backward()`, or
                                          `compute_ep_gradients`, with clipping between

    `step(x=, target=)` replaces `p.grad` by the EP gradient of the batch (gradients of earlier batches
    are not added up) and leaves it there to look at; it returns the mean cost at the free fixed point.

    Attributes:
        mode: 'ep' or 'backprop'.
        last: What the last batch gave in mode 'ep': gradients, output, fixed points; None before it.
        radius: Of the coupled map after the last step, or the largest singular value of the bounded
            matrices; None without a bound.
    """

    def __init__(
        self,
        params: Parameters,
        rule: Rule,
        *,
        model: nn.Module | None = None,
        mode: str | None = None,
        settling: Settling | None = None,
        bound: str | None = None,
        bound_mode: str = "hard",
    ) -> None:
        """Take parameters, the rule, and in mode 'ep' the model.

        Args:
            params: As any torch optimizer takes them; what is left out does not learn.
            rule: Defaults of the groups.
            model: The model whose parameters these are.
            mode: 'ep' or 'backprop'; None is 'ep' where there is a model.
            settling: How the phases settle; mode 'ep' alone.
            bound: What gamma bounds: 'coupled', the map of the layers that settle together, or 'matrix',
                each matrix of the groups; None is 'coupled' in mode 'ep'.
            bound_mode: 'hard' rescales to gamma at once, 'soft' goes a tenth of the way at each step.

        Raises:
            ValueError: A value is out of range, or a parameter is none of the model's.
            UnsupportedError: The model cannot be an EP network; names the layer.
        """
        self.mode = mode or ("backprop" if model is None else "ep")
        scope = bound or ("coupled" if self.mode == "ep" else "matrix")
        _check_modes(self.mode, model, scope, bound_mode)
        self.last: Gradients | None = None
        self.radius: float | None = None
        self._bounds, self._steps, self._warned = Bounds(scope, bound_mode), 0, False
        self._network = None
        if model is not None and self.mode == "ep":
            self._network = ModelNetwork(model, settling or Settling())
        super().__init__(params, dict(vars(rule)))

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with settings of their own.

        Raises:
            ValueError: A key is unknown, a value out of range, or a parameter none of the model's.
        """
        check_keys(param_group, type(self).__name__)
        super().add_param_group(param_group)
        try:
            self._check_group(self.param_groups[-1])
        except ValueError:
            del self.param_groups[-1]
            raise
        self._bounds.forget_matrices()

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @overload
    def step(self, closure: None = None, *, x: Tensor, target: Tensor) -> float: ...
    def step(
        self,
        closure: Callable[[], float] | None = None,
        *,
        x: Tensor | None = None,
        target: Tensor | None = None,
    ) -> float | None:
        """One step.

        Args:
            closure: Makes `p.grad` and returns the loss, as with any torch optimizer.
            x: Features, shape (batch, ...), as the model takes them; mode 'ep'.
            target: Classes, shape (batch,), integers; or wanted outputs, shape (batch, n_output).

        Returns:
            The loss: of the closure, or the mean cost at the free fixed point; None of a step along
            gradients that are there already.

        Raises:
            ValueError: x without target, with a closure, or in mode 'backprop'.
            DataError: x or target do not fit the model.
            SettleError: A phase diverged or a contrast is not finite; nothing has changed.
        """
        loss: float | None = None
        if x is not None or target is not None:
            loss = self._take_ep_gradient(x, target, closure)
        elif closure is not None:
            with torch.set_grad_enabled(True):
                loss = closure()
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        move(parameter, parameter.grad, self.state[parameter], group)
            self._steps += 1
            self._enforce()
        return loss

    def settled(self, x: Tensor) -> Tensor:
        """Output rates at the free fixed point, shape (batch, n_output), for predictions.

        `model(x)` is the same without feedback: equal where no feedback reaches the layers, as with one
        hidden layer and cross-entropy, or predictive coding; otherwise as near as `feedback_gain` is small.

        Raises:
            ValueError: Mode 'backprop'.
        """
        if self._network is None:
            raise ValueError("settled: nothing settles in mode 'backprop'; call the model")
        return self._network.output(x)

    def state_dict(self) -> dict[str, Any]:
        """As of any torch optimizer, the number of steps, which dropout draws from, and what bounds know."""
        return {**super().state_dict(), "steps": self._steps, "bounds": self._bounds.state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        own = ("steps", "bounds")
        super().load_state_dict({key: value for key, value in state_dict.items() if key not in own})
        self._steps = state_dict["steps"]
        self._bounds.load_state(state_dict["bounds"])

    def __getstate__(self) -> dict[str, Any]:
        """For copies; torch's own leaves out all but groups and state."""
        own = {key: self.__dict__[key] for key in ("mode", "last", "radius", *_OWN)}
        return {**super().__getstate__(), **own}

    def __repr__(self) -> str:
        """As of any torch optimizer, the mode first."""
        settling = "" if self._network is None else f", {self._network.settling}"
        own = f"mode: {self.mode!r}, bound: {self._bounds.scope!r} {self._bounds.mode}{settling}"
        return f"{super().__repr__()[:-1]}{own}\n)"

    def _take_ep_gradient(
        self, x: Tensor | None, target: Tensor | None, closure: Callable[[], float] | None
    ) -> float:
        if self._network is None:
            raise ValueError(
                "step: x and target are for mode 'ep', and this is 'backprop'; give model=..., mode='ep', or "
                "call loss.backward() and step()"
            )
        if x is None or target is None or closure is not None:
            raise ValueError("step: give both x and target and no closure, or neither")
        found = self._network.gradients(x, target, update=self._steps)
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = found.of[parameter] if parameter.requires_grad else None
        self.last = found
        if found.unsettled and not self._warned:
            self._warned = True
            warnings.warn(
                f"{found.unsettled} of {len(x)} samples did not settle in "
                f"{self._network.settling.settle_steps} steps (told once); raise settle_steps or settle_lr, "
                "or lower gamma",
                stacklevel=3,
            )
        return found.loss

    def _enforce(self) -> None:
        """Bring the weights back under gamma."""
        if self._network is not None:
            self._network.weights_changed()
        networks = [] if self._network is None else self._network.networks
        self.radius = self._bounds.enforce(networks, self.param_groups)
        if self._network is not None and self.radius is not None:
            self._network.weights_changed()

    def _check_group(self, group: dict[str, Any]) -> None:
        check(group, type(self).__name__)
        known = None if self._network is None else self._network.parameters
        for parameter in group["params"]:
            if known is not None and parameter not in known:
                raise ValueError(
                    f"{type(self).__name__}: a parameter of shape {tuple(parameter.shape)} is none of the "
                    "model's; give parameters of the same model"
                )


def _check_modes(mode: str, model: nn.Module | None, scope: str, bound_mode: str) -> None:
    if mode not in ("ep", "backprop"):
        raise ValueError(f"mode: {mode!r} is none; give 'ep' or 'backprop'")
    if mode == "ep" and model is None:
        raise ValueError("mode: 'ep' settles the model; give model=...")
    if scope not in ("coupled", "matrix"):
        raise ValueError(f"bound: {scope!r} is none; give 'coupled' or 'matrix'")
    if scope == "coupled" and mode != "ep":
        raise ValueError("bound: 'coupled' is of mode 'ep', where layers settle together; give 'matrix'")
    if bound_mode not in ("hard", "soft"):
        raise ValueError(f"bound_mode: {bound_mode!r} is none; give 'hard' or 'soft'")
