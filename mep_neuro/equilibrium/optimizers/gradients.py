"""Gradients by Equilibrium Propagation in `p.grad`, for any torch optimizer."""

from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from mep_neuro.equilibrium.optimizers.layers import read_layers
from mep_neuro.equilibrium.optimizers.model_network import ModelNetwork
from mep_neuro.equilibrium.optimizers.settling import Settling


def compute_ep_gradients(model: nn.Module, x: Tensor, y: Tensor, beta: float = 0.5, **settling: Any) -> float:
    """Add the EP gradient of a batch to `p.grad` of every parameter, as `loss.backward()` would.

    Args:
        model: A torch.nn.Sequential, or one layer.
        x: Shape (batch, ...), as the model takes it.
        y: Classes, shape (batch,), integers; or wanted outputs, shape (batch, n_output).
        beta: Strength of the nudge.
        **settling: `settle_steps`, `settle_lr`, `tolerance`, `loss_type`, `feedback_gain`, `energy` of
            `Settling`.

    Returns:
        The mean cost at the free fixed point.

    Raises:
        UnsupportedError: The model cannot be an EP network; names the layer.
        SettleError: A phase diverged; no gradient has changed.

    Source: Scellier and Bengio 2017; Laborieux et al. 2021 (phases at -beta and +beta).
    """
    found = _network_of(model, Settling(beta=beta, **settling)).gradients(x, y)
    add_to_grad(found.of)
    return found.loss


def add_to_grad(gradients: dict[nn.Parameter, Tensor]) -> None:
    """Add to `p.grad` of each parameter that requires a gradient."""
    for parameter, gradient in gradients.items():
        if parameter.requires_grad:
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient


class Sequential(nn.Sequential):
    """torch.nn.Sequential that knows its gradients by Equilibrium Propagation.

    `forward` is that of nn.Sequential: rates without feedback. `settled` is the free fixed point.
    """

    def compute_ep_gradients(self, x: Tensor, y: Tensor, beta: float = 0.5, **settling: Any) -> float:
        """As the function of this name, of this model."""
        return compute_ep_gradients(self, x, y, beta, **settling)

    def settled(self, x: Tensor, **settling: Any) -> Tensor:
        """Output rates at the free fixed point, shape (batch, n_output)."""
        return _network_of(self, Settling(**settling)).output(x)


_NETWORKS: WeakKeyDictionary[nn.Module, dict[Settling, ModelNetwork]] = WeakKeyDictionary()
"""Made once for each model and way to settle."""


def _network_of(model: nn.Module, settling: Settling) -> ModelNetwork:
    made = _NETWORKS.setdefault(model, {})
    if settling not in made or made[settling].layers != read_layers(model):
        made[settling] = ModelNetwork(model, settling)
    return made[settling]
