"""States laid units first: the samples of a unit side by side in memory, as the loops over neighbours need.

A state keeps its shape (..., n) everywhere else; torch's elementwise operations keep the layout.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Numbers = NDArray[np.floating]


def units_first(state: Tensor) -> Tensor:
    """States of shape (..., n) as contiguous (n, columns): the same memory where it is laid so already."""
    return state.reshape(-1, state.shape[-1]).T.contiguous()


def samples_first(memory: Tensor, shape: torch.Size) -> Tensor:
    """Contiguous (n, columns) seen as states of shape (..., n)."""
    return memory.view(shape[-1], *shape[:-1]).permute(*range(1, len(shape)), 0)


def flat(memory: Tensor) -> Numbers:
    """Contiguous memory as one row of numbers."""
    numbers: Numbers = memory.view(-1).numpy()
    return numbers


def columns(state: Tensor) -> tuple[Numbers, int]:
    """States (batch, n), units first, as one row of numbers, and how far apart units lie in it.

    No copy of states that are a part of a pair's memory.
    """
    memory = state.T
    units, samples = memory.shape
    if (memory.stride(1) != 1 and samples > 1) or (memory.stride(0) < samples and units > 1):
        memory = memory.contiguous()
    width = memory.stride(0)
    return flat(memory.as_strided(((units - 1) * width + samples,), (1,))), width


def chosen(state: Tensor, rows: Tensor) -> Tensor:
    """Some samples of states of shape (..., batch, n), laid as they were."""
    if state.stride(-1) == 1:
        return state.index_select(-2, rows)
    return state.movedim(-1, 0).index_select(-1, rows).movedim(0, -1)


def together(states: list[Tensor]) -> Tensor:
    """States of shape (..., some samples, n) as one batch, laid as they are."""
    if all(state.stride(-1) == 1 for state in states):  # one sample alone lies both ways
        return torch.cat(states, dim=-2)
    return torch.cat([state.movedim(-1, 0) for state in states], dim=-1).movedim(0, -1)


def stacked(one: Tensor, two: Tensor, like: Tensor) -> Tensor:
    """Two of shape (batch, n) as one of shape (2, batch, n), laid as the states `like`."""
    if like.stride(-1) == 1:
        return torch.stack([one, two])
    return torch.stack([one.T, two.T], dim=1).movedim(0, -1)
