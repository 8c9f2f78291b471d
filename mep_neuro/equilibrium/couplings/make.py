"""From a projection to its operator."""

import torch

from mep_neuro.equilibrium.couplings.attention import AttentionCoupling
from mep_neuro.equilibrium.couplings.convolution import ConvolutionCoupling
from mep_neuro.equilibrium.couplings.dense import DenseCoupling
from mep_neuro.equilibrium.couplings.lattice import LatticeCoupling
from mep_neuro.equilibrium.couplings.one_to_one import OneToOneCoupling
from mep_neuro.equilibrium.couplings.pair import PairCoupling
from mep_neuro.equilibrium.couplings.pointwise import PointwiseCoupling
from mep_neuro.equilibrium.couplings.sparse import SparseCoupling
from mep_neuro.equilibrium.couplings.untied import UntiedDenseCoupling
from mep_neuro.simulation.network import Network, Projection


def make_coupling(
    projection: Projection, network: Network, dtype: torch.dtype
) -> DenseCoupling | PairCoupling | LatticeCoupling | AttentionCoupling:
    """The operator of a projection."""
    if projection.kind == "lattice":
        return LatticeCoupling(projection, network, dtype)
    if projection.kind == "attention":
        return AttentionCoupling(projection, network, dtype)
    if projection.kind == "pointwise":
        return PointwiseCoupling(projection, network, dtype)
    if projection.kind == "conv2d":
        return ConvolutionCoupling(projection, network, dtype)
    if projection.kind == "one_to_one":
        return OneToOneCoupling(projection, network, dtype)
    if projection.kind == "sparse":
        return SparseCoupling(projection, network, dtype)
    if UntiedDenseCoupling.needed(projection, network):
        return UntiedDenseCoupling(projection, network, dtype)
    return DenseCoupling(projection, network, dtype)
