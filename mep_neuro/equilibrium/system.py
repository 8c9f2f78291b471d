"""The blocks that settle and the links between them: what every solver works on."""

from collections.abc import Callable, Sequence
from copy import copy
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mep_neuro.equilibrium.couplings.dense import DenseCoupling
from mep_neuro.equilibrium.couplings.lattice import LatticeCoupling
from mep_neuro.simulation.synapses import Synapses

if TYPE_CHECKING:
    from mep_neuro.equilibrium.couplings.attention import AttentionCoupling
    from mep_neuro.equilibrium.model import EquilibriumNetwork


class Link(NamedTuple):
    """One way of one projection: the current that `source` sends, alone or added to another.

    Attention between two settling populations depends on both: the other one is `beside`.
    """

    source: int
    current: Callable[..., Tensor]
    onto: Callable[..., Tensor]
    beside: int | None = None

    def seen(self, states: Sequence[Tensor | None]) -> tuple[Tensor, ...] | None:
        """The states that the current is a function of; None while one of them is still zero."""
        state = states[self.source]
        if self.beside is None:
            return None if state is None else (state,)
        other = states[self.beside]
        return None if state is None or other is None else (state, other)

    def beside_of(self, other: "Link") -> "Link":
        """Both links from one source as one: the second adds to the first's current in its own product."""

        def current(state: Tensor) -> Tensor:
            return other.onto(self.current(state), state)

        def onto(base: Tensor, state: Tensor) -> Tensor:
            return other.onto(self.onto(base, state), state)

        return Link(self.source, current, onto)

    def of_halves(self, factor: float) -> "Link":
        """The link where post holds its half-differences times `factor` more than pre."""
        if factor == 1.0:
            return self

        def current(half: Tensor) -> Tensor:
            return self.current(half).mul_(factor)

        def onto(base: Tensor, half: Tensor) -> Tensor:
            return torch.add(base, self.current(half), alpha=factor)

        return Link(self.source, current, onto)

    def of_pairs(self, factor: float) -> "Link":
        """The same for means and half-differences, shape (2, batch, n)."""
        if factor == 1.0:
            return self

        def current(pair: Tensor) -> Tensor:
            sent = self.current(pair)
            sent[1].mul_(factor)
            return sent

        return Link(self.source, current, lambda base, pair: current(pair).add_(base))


class System:
    """Blocks in their order from input to output.

    Attributes:
        names: Their populations.
        sizes: Their units.
        links: `links[b]` are the currents into block b.
        lattices: The lattice within each block, whose link is among its links; None where there is none, or
            where other currents from the block itself join it.
        turns: Units of each block that move at once, part after part: tokens that attend to each other take
            turns, but not in sparse populations, where all units compete.
        targets: `targets[b]` are (block, position in its links) of the currents that b sends.
        step_fraction: dt / tau_mem of each block.
        linear: Whether every current is linear in the states.
        exponents: Half-differences of each block are held times 2**exponent (`response.py` says why).
        bound: Spectral bound gamma that learning keeps the coupled map under, or None.
    """

    def __init__(self, model: "EquilibriumNetwork", input_rates: Tensor | None = None) -> None:
        """Read the couplings of a model; attention to the clamped input needs its rates too."""
        self._model, self._input_rates = model, input_rates
        self.linear = model.linear
        self._clamped = any(attention.pre == model.input_name for attention in model.attentions.values())
        self.names = model.settling
        self.sizes = [model.network.populations[name].size for name in self.names]
        index = {name: i for i, name in enumerate(self.names)}
        self.step_fraction = [
            model.spec.equilibrium.dt / model.network.populations[name].tau_mem for name in self.names
        ]
        self.exponents = [model.exponents[name] for name in self.names]
        self.bound = model.spec.consolidation.guaranteed
        self.links: list[list[Link]] = [[] for _ in self.names]
        self.lattices: list[LatticeCoupling | None] = [None] * len(self.names)
        self.turns = [[slice(None)] for _ in self.names]
        self._synapses: list[tuple[int, int, Synapses]] = []
        # Dense ones last: joined to another of the same ends they add to its current in their product.
        for coupling in sorted(model.couplings.values(), key=lambda c: isinstance(c, DenseCoupling)):
            pre, post = index[coupling.pre], index[coupling.post]
            self._synapses.append((pre, post, model.network.projections[coupling.name].synapses))
            self.links[post].append(Link(pre, coupling.forward, coupling.forward_onto))
            if isinstance(coupling, LatticeCoupling):
                self.lattices[post] = coupling
            elif not model.predictive:
                self.links[pre].append(Link(post, coupling.feedback, coupling.feedback_onto))
        for attention in model.attentions.values():
            self._attend(attention, index)
        self.links = [_joined(links) for links in self.links]
        self.targets: list[list[tuple[int, int]]] = [[] for _ in self.names]
        for block, links in enumerate(self.links):
            for position, link in enumerate(links):
                for source in (link.source, link.beside):
                    if source is not None:
                        self.targets[source].append((block, position))

    def seeing(self, input_rates: Tensor) -> "System":
        """The system of one batch: the same, but for attention to the clamped input."""
        return System(self._model, input_rates) if self._clamped else self

    @cached_property
    def halves(self) -> "System":
        """The system of half-differences alone, shape (batch, n)."""
        return self._with(Link.of_halves)

    @cached_property
    def pairs(self) -> "System":
        """The system of means and half-differences, shape (2, batch, n)."""
        return self._with(Link.of_pairs)

    def _with(self, way: Callable[[Link, float], Link]) -> "System":
        system = copy(self)
        system.links = [
            [way(link, 2.0 ** (self.exponents[block] - self.exponents[link.source])) for link in links]
            for block, links in enumerate(self.links)
        ]
        return system

    def others(self, block: int) -> list[Link]:
        """The links into a block from other blocks."""
        return [link for link in self.links[block] if link.source != block]

    def keep(self, rows: Tensor) -> "System":
        """The system of some of the samples."""
        return self if self._input_rates is None else System(self._model, self._input_rates[rows])

    @cached_property
    def fan_out(self) -> list[Tensor]:
        """Synapses that carry the rate of each unit, forward or back, shape (n,) of each block."""
        counts = [np.zeros(size) for size in self.sizes]
        for pre, post, synapses in self._synapses:
            counts[pre] += np.bincount(synapses.pre, minlength=self.sizes[pre])
            counts[post] += np.bincount(synapses.post, minlength=self.sizes[post])
        return [torch.from_numpy(count) for count in counts]

    def _attend(self, attention: "AttentionCoupling", index: dict[str, int]) -> None:
        post = index[attention.post]
        if attention.within:
            self.lattices[post] = None
            if self._model.winners[post] is None:
                self.turns[post] = attention.tokens
            self.links[post].append(_link(post, attention.current_within))
        elif attention.pre in index:
            pre = index[attention.pre]
            self.links[post].append(_link(pre, attention.current_into_post, post))
            self.links[pre].append(_link(pre, attention.current_into_pre, post))
        elif self._input_rates is not None:
            keys = attention.keys(self._input_rates)
            self.links[post].append(_link(post, partial(attention.current_from_keys, keys)))


def _joined(links: list[Link]) -> list[Link]:
    """One link for each source, of those that see no other: parallel paths, as of a residual block."""
    joined: dict[int, Link] = {}
    for link in links:
        if link.beside is None:
            source = link.source
            joined[source] = joined[source].beside_of(link) if source in joined else link
    return [*joined.values(), *(link for link in links if link.beside is not None)]


def _link(source: int, current: Callable[..., Tensor], beside: int | None = None) -> Link:
    return Link(source, current, lambda base, *states: base + current(*states), beside)
