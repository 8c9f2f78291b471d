"""What settles: one state, a pair mirrored about its mean, or that pair's half-difference alone."""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Protocol

import torch
from torch import Tensor

from mep_neuro.equilibrium.activation import Rho
from mep_neuro.equilibrium.couplings.units_first import chosen
from mep_neuro.equilibrium.solvers.form import HALF, PAIR, RATE, Form

PIECE = 2**13
"""Numbers worked on at once where temporaries would else be as large as the states; 32 kB in float32."""


class Mode(Protocol):
    """How currents become states, and how far two states are apart."""

    def activate(self, block: int, current: Tensor) -> Tensor:
        """States of a block from its current."""

    def distance(self, block: int, new: Tensor, old: Tensor | None) -> Tensor:
        """Largest difference of each sample, shape (batch,); no old state is a state of zeros."""

    def gap(self, block: int, new: Tensor, old: Tensor) -> Tensor:
        """Difference of each unit, shape (batch, n); `distance` is its largest."""

    def form(self, block: int) -> Form | None:
        """The block as numbers for a loop that takes unit by unit; None where it has no such form."""

    def keep(self, rows: Tensor) -> "Mode":
        """The same mode for some of the samples."""


class Single:
    """One state per sample, shape (batch, n)."""

    def __init__(self, rhos: list[Rho]) -> None:
        """Take the activation of each block."""
        self._rhos = rhos
        self._rates = [rho.rate for rho in rhos]
        self._overwrites = [rho.overwrite for rho in rhos]

    def activate(self, block: int, current: Tensor) -> Tensor:
        """s = rho(current)."""
        return self._rates[block](current)

    def overwrite(self, block: int, current: Tensor) -> Tensor:
        """s = rho(current), in the memory of the current."""
        return self._overwrites[block](current)

    def distance(self, block: int, new: Tensor, old: Tensor | None) -> Tensor:
        """Largest |new - old| of each sample."""
        return _by_rows(new, lambda rows: _gap(new[rows], old if old is None else old[rows]).amax(-1))

    def gap(self, block: int, new: Tensor, old: Tensor) -> Tensor:
        """|new - old| of each unit."""
        return _gap(new, old)

    def form(self, block: int) -> Form | None:
        """States from currents."""
        return Form(RATE, self._rhos[block])

    def keep(self, rows: Tensor) -> "Single":
        """Nothing here depends on the sample."""
        return self


class Mirrored:
    """The pair s(+beta), s(-beta) as (mean, half-difference), shape (2, batch, n).

    The half-difference is measured in units of the nudge, and weighted by the energy weight k of
    each unit: that is its share in the contrast, so the tolerance means the same in every layer.
    """

    def __init__(
        self, rhos: list[Rho], energy_weights: list[Tensor], nudge_size: Callable[[], Tensor]
    ) -> None:
        """Take activations, k of every unit, and what gives each sample's largest |beta f|, (batch,)."""
        self._rhos, self._weights, self._nudge_size = rhos, energy_weights, nudge_size

    @cached_property
    def _size(self) -> Tensor:
        return self._nudge_size()

    def activate(self, block: int, current: Tensor) -> Tensor:
        """Mean and half-difference of rho(a + u) and rho(a - u)."""
        return self._pairs(block, current, None)

    def overwrite(self, block: int, current: Tensor) -> Tensor:
        """The same, in the memory of the current where it is large."""
        return self._pairs(block, current, current)

    def _pairs(self, block: int, current: Tensor, into: Tensor | None) -> Tensor:
        pair, pieces = self._rhos[block].pair, _pieces(current)
        if len(pieces) == 1:
            return torch.stack(pair(current[0], current[1]))
        both = torch.empty_like(current) if into is None else into
        for rows in pieces:
            both[0, rows], both[1, rows] = pair(current[0, rows], current[1, rows])
        return both

    def distance(self, block: int, new: Tensor, old: Tensor | None) -> Tensor:
        """Largest difference of the mean, or of the weighted half-difference, of each sample."""

        def largest(rows: slice) -> Tensor:
            gap = _gap(new[:, rows], old if old is None else old[:, rows])
            half = gap[1].mul_(self._weights[block]).amax(-1)
            return torch.maximum(gap[0].amax(-1), half / self._size[rows])

        return _by_rows(new, largest)

    def gap(self, block: int, new: Tensor, old: Tensor) -> Tensor:
        """Difference of the mean, or of the weighted half-difference, of each unit."""
        gap = _gap(new, old)
        return torch.maximum(gap[0], gap[1] * self._weights[block] / self._size.unsqueeze(-1))

    def form(self, block: int) -> Form | None:
        """Pairs from pairs."""
        return Form(PAIR, self._rhos[block], self._weights[block], lambda: self._size)

    def keep(self, rows: Tensor) -> "Mirrored":
        """The mode for some of the samples."""
        return Mirrored(self._rhos, self._weights, partial(self._size.__getitem__, rows))


class Pair:
    """The states s(+beta), s(-beta) themselves, shape (2, batch, n).

    For currents that are not linear in the states. Distances are measured as those of `Mirrored`; the
    half-difference keeps only what rounding leaves of the difference of two numbers of order one.
    """

    def __init__(
        self, rhos: list[Rho], energy_weights: list[Tensor], nudge_size: Callable[[], Tensor]
    ) -> None:
        """Take activations, k of every unit, and how to get the largest |beta f| of each sample."""
        self._rhos, self._weights, self._nudge_size = rhos, energy_weights, nudge_size

    @cached_property
    def _size(self) -> Tensor:
        return self._nudge_size()

    def activate(self, block: int, current: Tensor) -> Tensor:
        """s = rho(current), of both."""
        return self._rhos[block].rate(current)

    def distance(self, block: int, new: Tensor, old: Tensor | None) -> Tensor:
        """Largest difference of the mean, or of the weighted half-difference, of each sample."""
        return self.gap(block, new, torch.zeros_like(new) if old is None else old).amax(-1)

    def gap(self, block: int, new: Tensor, old: Tensor) -> Tensor:
        """Difference of the mean, or of the weighted half-difference, of each unit."""
        plus, minus = new - old
        half = (plus - minus).abs_() * self._weights[block] / (2 * self._size.unsqueeze(-1))
        return torch.maximum((plus + minus).abs_() / 2, half)

    def form(self, block: int) -> Form | None:
        """Two states from two currents, whose distance takes both together."""
        return Form(RATE, self._rhos[block], distance=partial(self.distance, block))

    def keep(self, rows: Tensor) -> "Pair":
        """The mode for some of the samples."""
        return Pair(self._rhos, self._weights, partial(self._size.__getitem__, rows))


class Frozen:
    """The half-difference of the pair alone, shape (batch, n), about the currents of the free phase.

    The mean of the pair moves by order beta squared only, so the response keeps the centered
    phases' order; one state settles instead of two.
    """

    def __init__(
        self,
        rhos: list[Rho],
        currents: list[Tensor],
        energy_weights: list[Tensor],
        nudge_size: Callable[[], Tensor],
    ) -> None:
        """Take activations, the free currents a, k, and what gives each sample's largest |beta f|."""
        self._halves = [rho.half_at(a) for rho, a in zip(rhos, currents, strict=True)]
        self._rhos, self._currents, self._weights = rhos, currents, energy_weights
        self._nudge_size = nudge_size

    @cached_property
    def _size(self) -> Tensor:
        return self._nudge_size()

    def activate(self, block: int, current: Tensor) -> Tensor:
        """(rho(a + u) - rho(a - u)) / 2."""
        return self._halves[block](current)

    def distance(self, block: int, new: Tensor, old: Tensor | None) -> Tensor:
        """Largest weighted difference of each sample, in units of the nudge."""

        def largest(rows: slice) -> Tensor:
            return _gap(new[rows], old if old is None else old[rows]).mul_(self._weights[block]).amax(-1)

        return _by_rows(new, largest) / self._size

    def gap(self, block: int, new: Tensor, old: Tensor) -> Tensor:
        """Weighted difference of each unit, in units of the nudge."""
        return _gap(new, old) * self._weights[block] / self._size.unsqueeze(-1)

    def form(self, block: int) -> Form | None:
        """Half-differences about the free currents."""
        at = self._currents[block]
        return Form(HALF, self._rhos[block], self._weights[block], lambda: self._size, at)

    def keep(self, rows: Tensor) -> "Frozen":
        """The mode for some of the samples."""
        currents = [chosen(a, rows) for a in self._currents]
        return Frozen(self._rhos, currents, self._weights, partial(self._size.__getitem__, rows))


def _gap(new: Tensor, old: Tensor | None) -> Tensor:
    return new.abs() if old is None else (new - old).abs_()


def _pieces(state: Tensor) -> list[slice]:
    """Samples in pieces of at most PIECE numbers; all at once where they do not lie apart in memory."""
    batch = state.shape[-2]
    if state.stride(-1) != 1:
        return [slice(0, batch)]
    step = max(1, PIECE * batch // max(1, state.numel()))
    return [slice(first, first + step) for first in range(0, batch, step)]


def _by_rows(state: Tensor, of: Callable[[slice], Tensor]) -> Tensor:
    """A number of each sample, found piece by piece."""
    found = [of(rows) for rows in _pieces(state)]
    return found[0] if len(found) == 1 else torch.cat(found)
