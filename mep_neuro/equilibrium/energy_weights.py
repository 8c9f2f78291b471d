"""Energy weights k as phases and contrasts need them, found once for a model."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from mep_neuro.simulation.network import Network


def of_plastic_biases(network: Network, dtype: torch.dtype) -> dict[str, Tensor | float]:
    """k of the units of each population whose bias learns: one number if equal, else shape (n,)."""
    found: dict[str, Tensor | float] = {}
    for name, population in network.populations.items():
        if population.role != "input" and population.plastic_bias:
            k = population.energy_weight
            found[name] = float(k[0]) if (k == k[0]).all() else torch.tensor(k, dtype=dtype)
    return found


def under_readouts(network: Network, names: Iterable[str], dtype: torch.dtype) -> dict[str, Tensor | None]:
    """k of the population that each read-out sees, shape (n,); None where it is 1 for all units seen."""
    found: dict[str, Tensor | None] = {}
    for name in names:
        projection = network.projections[name]
        population = network.populations[projection.pre]
        k = population.energy_weight * 2.0**population.energy_exponent
        one = np.allclose(k[projection.pre_units], 1.0, rtol=1e-9)
        found[name] = None if one else torch.as_tensor(k, dtype=dtype)
    return found
