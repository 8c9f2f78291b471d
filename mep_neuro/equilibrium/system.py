"""The blocks that settle and the links between them: what every solver works on."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from mep_neuro.equilibrium.couplings.lattice import LatticeCoupling
from mep_neuro.equilibrium.model import EquilibriumNetwork


class Link(NamedTuple):
    """One way of one projection: the current that `source` sends."""

    source: int
    current: Callable[[Tensor], Tensor]


class System:
    """Blocks in their order from input to output; `links[b]` are the currents into block b."""

    def __init__(self, model: EquilibriumNetwork) -> None:
        """Read the couplings of a model."""
        self.names = model.settling
        index = {name: i for i, name in enumerate(self.names)}
        self.links: list[list[Link]] = [[] for _ in self.names]
        self.step_fraction = [
            model.spec.equilibrium.dt / model.network.populations[name].tau_mem for name in self.names
        ]
        for coupling in model.couplings.values():
            pre, post = index[coupling.pre], index[coupling.post]
            self.links[post].append(Link(pre, coupling.forward))
            if not isinstance(coupling, LatticeCoupling):
                self.links[pre].append(Link(post, coupling.feedback))
