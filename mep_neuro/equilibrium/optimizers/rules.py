"""From a gradient to a step: orthogonal (Muon, Dion), natural, or plain, of one parameter each."""

from typing import Any

import torch
from torch import Tensor, nn

from mep_neuro.equilibrium.consolidation.dion import dion, first_basis, rank_of
from mep_neuro.equilibrium.consolidation.muon import muon

FISHER_MEMORY = 0.95
"""Share that the estimate of the Fisher matrix keeps at each step."""


def move(parameter: nn.Parameter, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    """One step of a parameter; matrices and kernels by the group's rule, the rest plain."""
    parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
    if group["update"] == "plain" or parameter.ndim < 2:
        _plain(parameter, gradient, state, group)
        return
    matrix, slope = parameter.view(len(parameter), -1), gradient.reshape(len(parameter), -1)
    if group["update"] == "natural":
        _plain(matrix, _natural(slope, state, group), state, group)
    elif takes_dion(group, matrix.numel()):
        _dion(matrix, slope, state, group)
    else:
        _muon(matrix, slope, state, group)


def takes_dion(group: dict[str, Any], weights: int) -> bool:
    """Whether a matrix of so many weights takes Dion's steps rather than Muon's."""
    return group["dion_thresh"] is not None and weights >= group["dion_thresh"]


def _plain(parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    """As torch.optim.SGD: a buffer that collects gradients, and a step along it."""
    if group["momentum"] == 0.0:
        parameter.add_(gradient, alpha=-group["lr"])
        return
    if "momentum_buffer" not in state:
        state["momentum_buffer"] = torch.zeros_like(gradient)
    state["momentum_buffer"].mul_(group["momentum"]).add_(gradient)
    parameter.add_(state["momentum_buffer"], alpha=-group["lr"])


def _muon(matrix: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    if "momentum_buffer" not in state:
        state["momentum_buffer"] = torch.zeros_like(gradient)
    step = muon(
        gradient,
        state["momentum_buffer"],
        momentum=group["momentum"],
        nesterov=group["nesterov"],
        steps=group["ns_steps"],
    )
    matrix.add_(step, alpha=-group["lr"])


def _dion(matrix: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    if "basis" not in state:
        state["momentum_buffer"] = torch.zeros_like(gradient)
        state["basis"] = first_basis(matrix, rank_of(matrix, group["rank"], group["rank_frac"]))
    buffer = state["momentum_buffer"].add_(gradient)
    left, state["basis"] = dion(buffer, state["basis"], group["momentum"], group["error_feedback"])
    rows, columns = matrix.shape
    matrix.addmm_(left, state["basis"].T, alpha=-group["lr"] * max(1.0, rows / columns) ** 0.5)


def _natural(gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
    """The gradient times (F / mean F + damping)^(-1/2), F a running mean of its second moments.

    F is one number for each weight, or the matrix G G^T / n over the smaller side. The root keeps
    the steps from growing as gradients vanish, which F, their square, does faster.

    Sources: Amari 1998 (natural gradient); Gupta et al. 2018 (one side, root); Lin et al. 2024 (root).
    """
    wide, damping = gradient.shape[0] <= gradient.shape[1], float(group["fisher_damping"])
    if group["use_diagonal_fisher"]:
        now = gradient.square()
    else:
        now = gradient @ gradient.T / gradient.shape[1] if wide else gradient.T @ gradient / gradient.shape[0]
    fisher: Tensor = state.setdefault("fisher", torch.zeros_like(now))
    fisher.lerp_(now, 1.0 - FISHER_MEMORY)
    if group["use_diagonal_fisher"]:
        mean = fisher.mean().clamp_min(torch.finfo(fisher.dtype).tiny)
        return gradient * (fisher / mean + damping).rsqrt()
    mean = fisher.diagonal().mean().clamp_min(torch.finfo(fisher.dtype).tiny)
    values, vectors = torch.linalg.eigh(fisher / mean)
    root = (values.clamp_min(0.0) + damping).rsqrt()
    whitened = (vectors * root) @ vectors.T
    step: Tensor = whitened @ gradient if wide else gradient @ whitened
    return step
