"""From a projection to its operator."""

import torch

from mep_neuro.equilibrium.couplings.dense import DenseCoupling
from mep_neuro.equilibrium.couplings.lattice import LatticeCoupling
from mep_neuro.simulation.network import Network, Projection


def make_coupling(
    projection: Projection, network: Network, dtype: torch.dtype
) -> DenseCoupling | LatticeCoupling:
    """The operator of a projection."""
    if projection.kind == "lattice":
        return LatticeCoupling(projection, network, dtype)
    return DenseCoupling(projection, network, dtype)
