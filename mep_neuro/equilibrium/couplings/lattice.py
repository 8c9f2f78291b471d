"""Lattices: neighbours within one population."""

import torch
from torch import Tensor

from mep_neuro.equilibrium.couplings.base import Coupling
from mep_neuro.equilibrium.couplings.neighbours import Neighbours
from mep_neuro.equilibrium.response import Response
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.network import Network, Projection


class LatticeCoupling(Coupling):
    """Neighbours within one population: time and memory grow with the synapses.

    Forward and feedback act on the same units, so `forward` is both at once.

    Attributes:
        map: Its compiled loops.
    """

    def __init__(self, projection: Projection, network: Network, dtype: torch.dtype) -> None:
        """Take the weights, and sort the synapses.

        Raises:
            UnsupportedError: The dtype is neither float32 nor float64.
        """
        super().__init__(projection, dtype)
        if dtype not in (torch.float32, torch.float64):
            raise UnsupportedError(
                f"projection '{self.name}': a lattice computes in float32 or float64, not in {dtype}; "
                "choose one of these"
            )
        synapses, population = projection.synapses, network.populations[projection.pre]
        self.map = Neighbours(synapses, population.size, dtype)
        k = population.energy_weight[synapses.post]
        self._energy_weight = None if (k == 1.0).all() else torch.tensor(k, dtype=dtype)
        self.weight_changed()

    def weight_changed(self) -> None:
        """Refresh what is computed with from the weights."""
        self.map.take_weights(self.weight.detach())

    def forward(self, state: Tensor) -> Tensor:
        """W s + g W^T s, shape (..., n)."""
        return self.map.current(state)

    def forward_onto(self, base: Tensor, state: Tensor) -> Tensor:
        """base + W s + g W^T s, in one pass."""
        return self.map.current(state, base)

    def balanced(self, state: Tensor) -> Tensor:
        """What the symmetric map (entries sqrt(g) w) sends back."""
        return self.map.balanced(state)

    def contrast(self, pre: Response, post: Response, factor: float = 1.0) -> Tensor:
        """factor k_post (slope_post mean_pre + mean_post slope_pre) of every edge, summed over the batch."""
        assert pre.slope is not None  # the units of a lattice settle
        edges = self.map.contrast(pre.mean, pre.slope, factor)
        return edges if self._energy_weight is None else edges.mul_(self._energy_weight)
