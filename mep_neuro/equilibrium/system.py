"""The blocks that settle and the links between them: what every solver works on."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from mep_neuro.equilibrium.couplings.lattice import LatticeCoupling

if TYPE_CHECKING:
    from mep_neuro.equilibrium.model import EquilibriumNetwork


class Link(NamedTuple):
    """One way of one projection: the current that `source` sends, alone or added to another."""

    source: int
    current: Callable[[Tensor], Tensor]
    onto: Callable[[Tensor, Tensor], Tensor]


class System:
    """Blocks in their order from input to output.

    Attributes:
        names: Their populations.
        sizes: Their units.
        links: `links[b]` are the currents into block b.
        targets: `targets[b]` are (block, position in its links) of the currents that b sends.
        step_fraction: dt / tau_mem of each block.
    """

    def __init__(self, model: "EquilibriumNetwork") -> None:
        """Read the couplings of a model."""
        self.names = model.settling
        self.sizes = [model.network.populations[name].size for name in self.names]
        index = {name: i for i, name in enumerate(self.names)}
        self.step_fraction = [
            model.spec.equilibrium.dt / model.network.populations[name].tau_mem for name in self.names
        ]
        self.links: list[list[Link]] = [[] for _ in self.names]
        for coupling in model.couplings.values():
            pre, post = index[coupling.pre], index[coupling.post]
            self.links[post].append(Link(pre, coupling.forward, coupling.forward_onto))
            if not isinstance(coupling, LatticeCoupling):
                self.links[pre].append(Link(post, coupling.feedback, coupling.feedback_onto))
        self.targets: list[list[tuple[int, int]]] = [[] for _ in self.names]
        for block, links in enumerate(self.links):
            for position, link in enumerate(links):
                self.targets[link.source].append((block, position))
