"""Modules for models that learn by Equilibrium Propagation: a layer, and a Sequential with its gradients."""

import torch
from torch import Tensor, nn

from mep_neuro.equilibrium.activation import RHO


class EPLayer(nn.Module):
    """A population and the projection into it: rho(W x + b), weight (n_out, n_in) as in nn.Linear.

    Attributes:
        weight: W.
        bias: b, or None.
        activation: Name of rho.
    """

    def __init__(
        self, in_features: int, out_features: int, activation: str = "hard_sigmoid", *, bias: bool = True
    ) -> None:
        """Start as nn.Linear does.

        Args:
            in_features: Units before.
            out_features: Units of the population.
            activation: 'hard_sigmoid', 'relu', 'tanh', 'sigmoid' or 'linear'.
            bias: Whether the units have a bias.

        Raises:
            ValueError: No activation has this name.
        """
        super().__init__()
        if activation not in RHO:
            raise ValueError(f"EPLayer: unknown activation {activation!r}; give one of {', '.join(RHO)}")
        start = nn.Linear(in_features, out_features, bias)
        self.weight, self.activation = start.weight, activation
        self.register_parameter("bias", start.bias if bias else None)
        self.bias: nn.Parameter | None

    def forward(self, x: Tensor) -> Tensor:
        """rho(W x + b), shape (..., n_out): the rates without any feedback."""
        current = nn.functional.linear(x, self.weight, self.bias)
        if self.activation == "hard_sigmoid":
            return current.clamp(0.0, 1.0)
        rates: Tensor = getattr(torch, self.activation)(current) if self.activation != "linear" else current
        return rates

    def extra_repr(self) -> str:
        """Sizes and activation."""
        rows, columns = self.weight.shape
        return f"{columns}, {rows}, {self.activation!r}, bias={self.bias is not None}"
