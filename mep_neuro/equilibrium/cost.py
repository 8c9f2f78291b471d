"""Costs and the force -dC/ds with which the nudged phase pulls."""

import torch
from torch import Tensor

SETTLED = "settled_cross_entropy"


def cost(name: str, output: Tensor, target: Tensor, positions: int = 1) -> Tensor:
    """C of each sample, shape (batch,).

    squared_error: 1/2 |s - y|^2. cross_entropy: -sum y log s, s the softmax read-out; of a sequence,
    over its positions. settled_cross_entropy: -sum y log softmax(s), s the rates of settling units.
    """
    if name == SETTLED:
        return -(target * torch.log_softmax(output, -1)).sum(-1)
    if name == "squared_error":
        return 0.5 * (output - target).square().sum(-1)
    return -(target * torch.log(output.clamp_min(torch.finfo(output.dtype).tiny))).sum(-1) / positions


def cost_of(name: str, settles: bool) -> str:
    """The cost of the file, told apart by whether the output settles."""
    return SETTLED if settles and name == "cross_entropy" else name


def error(output: Tensor, target: Tensor, positions: int = 1, name: str = "squared_error") -> Tensor:
    """y - s: -dC/ds of the squared error, and -dC/dcurrent of a softmax with cross-entropy.

    Of settling units with cross-entropy y - softmax(s), which is -dC/ds there.
    """
    target = target.to(output.dtype)
    if name == SETTLED:
        return target - torch.softmax(output, -1)
    return target - output if positions == 1 else (target - output) / positions
