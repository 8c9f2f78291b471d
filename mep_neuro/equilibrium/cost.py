"""Costs and the force -dC/ds with which the nudged phase pulls."""

import torch
from torch import Tensor


def cost(name: str, output: Tensor, target: Tensor, positions: int = 1) -> Tensor:
    """C of each sample, shape (batch,).

    squared_error: 1/2 |s - y|^2. cross_entropy: -sum y log s, s the softmax read-out; of a sequence,
    over its positions.
    """
    if name == "squared_error":
        return 0.5 * (output - target).square().sum(-1)
    return -(target * torch.log(output.clamp_min(torch.finfo(output.dtype).tiny))).sum(-1) / positions


def error(output: Tensor, target: Tensor, positions: int = 1) -> Tensor:
    """y - s: -dC/ds of the squared error, and -dC/dcurrent of a softmax with cross-entropy."""
    return target - output if positions == 1 else (target - output) / positions
