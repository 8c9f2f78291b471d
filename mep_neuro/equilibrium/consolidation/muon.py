"""Muon as torch.optim.Muon, its Newton-Schulz iteration in the matrix's own precision and to its end.

torch computes that iteration in bfloat16. On a CPU without units for it a step of a 256 x 784 matrix
takes twenty times as long as in float32 (docs/optimizers.md), and elsewhere it gains nothing that a
settle, which takes most of the time, would show. torch's quintic, the same in each of five iterations, lets
singular values swing between 0.68 and 1.13: of some shapes a quarter end below 0.7. Here each iteration has
the polynomial that is best after the ones before it, at the same cost, and they end near 1. With
`ns_coefficients` of three numbers it is torch's. Everything else is: groups, state, arguments but `eps`
and `adjust_lr_fn`.

Sources: Jordan et al. 2024, Muon; Amsel, Persson, Musco and Gower 2025, The Polar Express, algorithm 1.
"""

from collections.abc import Callable
from itertools import chain, islice, repeat
from typing import Any, cast, overload

import torch
from torch import Tensor, nn
from torch.optim.optimizer import ParamsT

from mep_neuro.equilibrium.consolidation.stepping import step_each

Coefficients = tuple[float, float, float]

TORCHS: Coefficients = (3.4445, -4.775, 2.0315)
"""Of torch.optim.Muon's quintic."""

POLAR_EXPRESS: tuple[Coefficients, ...] = (
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
    (1.891301407787398, -1.2679958271945868, 0.37680408948524835),
    (1.875, -1.25, 0.375),  # to the last digits, of all that follow
)
"""Of each quintic in turn, the best for singular values from 0.001 to 1 (Amsel et al. 2025)."""


class Muon(torch.optim.Muon):
    """torch.optim.Muon in the precision of its parameters, its steps nearer to orthogonal."""

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: Coefficients | None = None,
        ns_steps: int = 5,
    ) -> None:
        """As torch.optim.Muon; without `ns_coefficients` each iteration has its own."""
        theirs = cast(Coefficients, ns_coefficients)  # torch keeps them for its step, which is not called
        super().__init__(params, lr, weight_decay, momentum, nesterov, theirs, ns_steps=ns_steps)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step of every parameter that has a gradient."""
        return step_each(self, self._step_one, closure)

    def _step_one(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
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
    coefficients: Coefficients | None = None,
) -> Tensor:
    """One step's direction, scaled for its shape; singular values near sqrt(max(1, m / n)).

    Args:
        gradient: Shape (m, n).
        buffer: The momentum, shape (m, n); changed in place.
        momentum: mu.
        nesterov: Whether the gradient counts once more.
        steps: Iterations of Newton and Schulz.
        coefficients: Of one quintic for all of them; None is a better one for each.
    """
    buffer.lerp_(gradient, 1.0 - momentum)
    update = gradient.lerp(buffer, momentum) if nesterov else buffer
    rows, columns = gradient.shape
    return newton_schulz(update, steps, coefficients).mul_(max(1.0, rows / columns) ** 0.5)


def newton_schulz(matrix: Tensor, steps: int = 5, coefficients: Coefficients | None = None) -> Tensor:
    """A matrix of the same singular vectors with singular values near 1, shape as the matrix.

    X <- a X + (b A + c A^2) X with A = X X^T, from X of Frobenius norm 1 as torch has it; without
    coefficients from X over the root of |A|, which is nearer to the largest singular value and not below it.
    """
    x = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    tiny = torch.finfo(x.dtype).tiny  # contrasts may be smaller than torch's 1e-7
    x = x / x.norm().clamp_min(tiny)
    gram = x @ x.T
    schedule = repeat(coefficients) if coefficients else chain(POLAR_EXPRESS, repeat(POLAR_EXPRESS[-1]))
    if coefficients is None:
        size = gram.norm().clamp_min(tiny)
        x, gram = x / size.sqrt(), gram / size
    for number, (a, b, c) in enumerate(islice(schedule, steps)):
        gram = x @ x.T if number else gram
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if matrix.shape[0] <= matrix.shape[1] else x.T
