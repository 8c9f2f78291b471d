"""Dion: orthonormal steps of low rank, with what the rank leaves out kept for later steps.

    B = M + G
    P = orthonormal basis of B Q                    (QR; Q from the last step: one power iteration, warm)
    R = B^T P                                       B is near P R^T
    M = mu P R^T + (mu + (1 - mu) e) (B - P R^T)    with e = 1: B - (1 - mu) P R^T
    Q = R, columns of length 1
    W = (1 - lr weight_decay) W - lr sqrt(max(1, m / n)) P Q^T

The residual B - P R^T stays in the momentum, in the gradient's own scale. (Prior error feedback kept
g - P Q^T instead: an orthonormal step is a thousand times the gradient, and the next steps undid it.)
e = `error_feedback` is its strength: 1 forgets nothing that was not applied, 0 is plain momentum. The
step's scale is that of torch.optim.Muon, so that one learning rate serves both.

Cost of an m x n matrix at rank r: three products of m n r, and a QR of O(m r^2); kept are M and Q,
beside them O((m + n) r) numbers of work space.

Source: Ahn, Xu, Abreu, Magakyan, Yehudai et al. 2025, Dion: distributed orthonormalized updates,
algorithm 1 (e = 1).
"""

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor, nn

from mep_neuro.equilibrium.consolidation.stepping import step_each

SEED = 0
"""Of each subspace's first directions: a run repeats without torch's global generator."""


class Dion(torch.optim.Optimizer):
    """Steps of low rank for matrices; other parameters belong to another optimizer.

    State of each parameter, as any torch optimizer's: `momentum_buffer` M, shape (m, n), and `basis` Q,
    shape (n, r).
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        lr: float = 0.02,
        *,
        rank: int | None = None,
        rank_frac: float = 0.25,
        momentum: float = 0.95,
        error_feedback: float | bool = 1.0,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        """Set the rule.

        Args:
            params: Matrices, or groups of them.
            lr: Learning rate; the step has singular values near lr sqrt(max(1, m / n)).
            rank: r; None takes `rank_frac`.
            rank_frac: r over the smaller side of each matrix, in (0, 1].
            momentum: mu, in [0, 1).
            error_feedback: e, in [0, 1]; True is 1, False is 0.
            weight_decay: Decoupled from the step, as in AdamW.
            maximize: Climb instead of descend.

        Raises:
            ValueError: A value is out of range, or a parameter is no matrix.
        """
        defaults = {
            "lr": lr,
            "rank": rank,
            "rank_frac": rank_frac,
            "momentum": momentum,
            "error_feedback": float(error_feedback),
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with settings of their own.

        Raises:
            ValueError: A value is out of range, or a parameter is no matrix.
        """
        super().add_param_group(param_group)
        try:
            _check(self.param_groups[-1])
        except ValueError:
            del self.param_groups[-1]
            raise

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
            state["basis"] = first_basis(parameter, rank_of(parameter, group["rank"], group["rank_frac"]))
        sign = -1.0 if group["maximize"] else 1.0
        buffer = state["momentum_buffer"].add_(parameter.grad, alpha=sign)
        left, state["basis"] = dion(buffer, state["basis"], group["momentum"], group["error_feedback"])
        rows, columns = parameter.shape
        parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
        parameter.addmm_(left, state["basis"].T, alpha=-group["lr"] * max(1.0, rows / columns) ** 0.5)


def dion(buffer: Tensor, basis: Tensor, momentum: float, error_feedback: float) -> tuple[Tensor, Tensor]:
    """One step's direction P Q^T, and the momentum after it.

    Args:
        buffer: B = M + G, shape (m, n); becomes the new M in place.
        basis: Q of the step before, shape (n, r).
        momentum: mu.
        error_feedback: e.

    Returns:
        P, shape (m, r), orthonormal columns; the new Q, shape (n, r), columns of length 1, or 0 where
        B has no more directions than rounding.

    Source: Ahn et al. 2025, algorithm 1, lines 4 to 9.
    """
    left = torch.linalg.qr(buffer @ basis).Q
    right = buffer.T @ left
    kept = momentum + (1.0 - momentum) * error_feedback
    buffer.mul_(kept).addmm_(left, right.T, alpha=momentum - kept)
    lengths = right.norm(dim=0)
    # A column at the rounding of B is noise: at length 1 it would be a full step in a random direction.
    floor = torch.finfo(right.dtype).eps * max(buffer.shape) * lengths.max()
    real = lengths > floor
    return left, right * torch.where(real, 1.0 / lengths.where(real, lengths.new_ones(())), 0.0)


def rank_of(matrix: Tensor, rank: int | None, rank_frac: float) -> int:
    """The rank r of a matrix's steps: `rank`, or a share of its smaller side, at least 1."""
    smaller = min(matrix.shape)
    return min(smaller, rank) if rank is not None else max(1, round(rank_frac * smaller))


def first_basis(matrix: Tensor, rank: int) -> Tensor:
    """Random directions to begin the power iteration with, shape (n, rank)."""
    generator = torch.Generator().manual_seed(SEED)
    draw = torch.randn(matrix.shape[1], rank, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(draw, dim=0).to(matrix)


def _check(group: dict[str, Any]) -> None:
    for key, holds, rule in (
        ("lr", group["lr"] >= 0.0, "a number >= 0"),
        ("rank", group["rank"] is None or group["rank"] >= 1, "an integer >= 1, or None"),
        ("rank_frac", 0.0 < group["rank_frac"] <= 1.0, "above 0, at most 1"),
        ("momentum", 0.0 <= group["momentum"] < 1.0, "from 0, below 1"),
        ("error_feedback", 0.0 <= group["error_feedback"] <= 1.0, "from 0 to 1"),
        ("weight_decay", group["weight_decay"] >= 0.0, "a number >= 0"),
    ):
        if not holds:
            raise ValueError(f"Dion: {key} {group[key]!r} is out of range; give {rule}")
    for parameter in group["params"]:
        if parameter.ndim != 2:
            raise ValueError(
                f"Dion: a parameter of shape {tuple(parameter.shape)} is no matrix; give it to Adam or SGD"
            )
