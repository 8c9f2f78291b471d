"""The state of torch optimizers as named arrays, for checkpoints.

optimizer.NUMBER.INDEX.KEY      NUMBER of the optimizer, INDEX of its parameter, KEY of torch's state
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mep_neuro.equilibrium.consolidation.dion import Dion, rank_of


def optimizer_arrays(optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, NDArray[np.generic]]:
    """Copies of everything that the optimizers keep."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for number, optimizer in enumerate(optimizers):
        for index, entries in optimizer.state_dict()["state"].items():
            for key, value in entries.items():
                if value is not None:
                    arrays[f"optimizer.{number}.{index}.{key}"] = torch.as_tensor(value).numpy().copy()
    return arrays


def load_optimizer_arrays(
    optimizers: Sequence[torch.optim.Optimizer], arrays: Mapping[str, NDArray[np.generic]]
) -> None:
    """Take back what `optimizer_arrays` gave."""
    for number, optimizer in enumerate(optimizers):
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in arrays.items():
            if name.startswith(f"optimizer.{number}."):
                _, _, index, key = name.split(".", 3)
                state.setdefault(int(index), {})[key] = torch.from_numpy(value.copy())
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def carry_error(
    optimizers: Sequence[torch.optim.Optimizer], arrays: Mapping[str, NDArray[np.generic]], share: float
) -> None:
    """Start Dion's momentum, in which its residual is kept, from a share of an earlier training's.

    Raises:
        ValueError: The arrays are of other optimizers, or of another rank.
    """
    taken = {}
    for number, optimizer in enumerate(optimizers):
        for group in optimizer.param_groups if isinstance(optimizer, Dion) else ():
            for index, parameter in enumerate(group["params"]):
                rank = rank_of(parameter, group["rank"], group["rank_frac"])
                shapes = {"momentum_buffer": tuple(parameter.shape), "basis": (parameter.shape[1], rank)}
                for key, shape in shapes.items():
                    name = f"optimizer.{number}.{index}.{key}"
                    found = arrays[name].shape if name in arrays else "missing"
                    if found != shape:
                        raise ValueError(f"dion's {key}: shape {found}, this network's is {shape}")
                    taken[name] = arrays[name]
                    if key == "momentum_buffer":
                        taken[name] = torch.from_numpy(arrays[name]).mul(share).numpy()
    load_optimizer_arrays(optimizers, taken)
