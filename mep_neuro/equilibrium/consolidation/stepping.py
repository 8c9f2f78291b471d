"""The habit of a torch optimizer's step: the closure with gradients, then each parameter that has one."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


def step_each(
    optimizer: torch.optim.Optimizer,
    step_one: Callable[[nn.Parameter, dict[str, Any]], None],
    closure: Callable[[], float] | None = None,
) -> float | None:
    """Call `step_one(parameter, group)` for every parameter that has a gradient.

    Returns:
        The loss of the closure; None without.
    """
    loss = None
    if closure is not None:
        with torch.set_grad_enabled(True):
            loss = closure()
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None:
                step_one(parameter, group)
    return loss
