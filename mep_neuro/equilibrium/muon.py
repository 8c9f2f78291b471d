"""Muon as torch.optim.Muon, its Newton-Schulz iteration in the matrix's own precision.

torch computes that iteration in bfloat16. On a CPU without units for it a step of a 256 x 784 matrix
takes twenty times as long as in float32 (docs/optimizers.md), and elsewhere it gains nothing that a
settle, which takes most of the time, would show. Everything else is torch's: arguments, groups, state.

Source: Jordan et al. 2024, Muon.
"""

from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.775, 2.0315)
"""Of the quintic; torch.optim.Muon has the same."""


class Muon(torch.optim.Muon):
    """torch.optim.Muon in the precision of its parameters."""

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step of every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.set_grad_enabled(True):
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._step_one(parameter, group)
        return loss

    def _step_one(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        assert parameter.grad is not None
        step = muon(
            parameter.grad,
            state["momentum_buffer"],
            momentum=group["momentum"],
            nesterov=group["nesterov"],
            steps=group["ns_steps"],
            coefficients=group["ns_coefficients"],
        )
        parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
        parameter.add_(step, alpha=-group["lr"])


def muon(
    gradient: Tensor,
    buffer: Tensor,
    *,
    momentum: float,
    nesterov: bool = True,
    steps: int = 5,
    coefficients: tuple[float, float, float] = COEFFICIENTS,
) -> Tensor:
    """One step's direction, scaled for its shape; singular values near sqrt(max(1, m / n)).

    Args:
        gradient: Shape (m, n).
        buffer: The momentum, shape (m, n); changed in place.
        momentum: mu.
        nesterov: Whether the gradient counts once more.
        steps: Iterations of Newton and Schulz.
        coefficients: Of its quintic.
    """
    buffer.lerp_(gradient, 1.0 - momentum)
    update = gradient.lerp(buffer, momentum) if nesterov else buffer
    rows, columns = gradient.shape
    return newton_schulz(update, steps, coefficients).mul_(max(1.0, rows / columns) ** 0.5)


def newton_schulz(
    matrix: Tensor, steps: int = 5, coefficients: tuple[float, float, float] = COEFFICIENTS
) -> Tensor:
    """A matrix of the same singular vectors with singular values near 1, shape as the matrix.

    X <- a X + (b A + c A^2) X with A = X X^T, from X of Frobenius norm 1.
    """
    a, b, c = coefficients
    x = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = x / x.norm().clamp_min(torch.finfo(x.dtype).tiny)  # contrasts may be smaller than torch's 1e-7
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if matrix.shape[0] <= matrix.shape[1] else x.T
