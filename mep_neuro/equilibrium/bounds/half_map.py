"""The coupled map of layers in a row: a map from every other layer to the layers between, there and back.

With the units sorted so, the symmetric map is [[0, B], [B^T, 0]]; its eigenvalues are the singular values of
B and these times -1. B has half of the products, and where couplings are dense it can stand as one matrix.
"""

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from mep_neuro.equilibrium.couplings.base import Coupling
from mep_neuro.equilibrium.couplings.dense import DenseCoupling
from mep_neuro.equilibrium.couplings.lattice import LatticeCoupling
from mep_neuro.equilibrium.couplings.pair import PairCoupling
from mep_neuro.equilibrium.model import EquilibriumNetwork

LEAST_FILL = 0.5
"""Share of B that dense couplings must fill for one matrix to be faster than their products one by one."""


def every_other_layer(model: EquilibriumNetwork) -> list[str] | None:
    """Populations such that each coupling joins one of them to one outside, and sends back what it sends.

    None where there are no such: lattices, couplings in a circle of three layers, feedback of its own.
    """
    couplings = model.couplings.values()
    if any(isinstance(c, LatticeCoupling) or not _symmetric(c) for c in couplings):
        return None
    inside: dict[str, bool] = {}
    for start in model.settling:
        frontier = [start] if start not in inside else []
        inside.setdefault(start, True)
        for name in frontier:  # grows while it is read
            for coupling in couplings:
                if name in (coupling.pre, coupling.post):
                    other = coupling.post if name == coupling.pre else coupling.pre
                    if other not in inside:
                        inside[other] = not inside[name]
                        frontier.append(other)
                    elif inside[other] == inside[name]:
                        return None
    return [name for name in model.settling if inside[name]]


class DenseHalf:
    """B of dense couplings between whole populations, as one matrix."""

    def __init__(self, model: EquilibriumNetwork, side: Sequence[str]) -> None:
        """Give each coupling its place; `every_other_layer` gives the side."""
        rows, height = _places(model, side)
        columns, width = _places(model, [name for name in model.settling if name not in side])
        self._matrix = torch.zeros(height, width, dtype=model.dtype)
        self._blocks: list[tuple[Tensor, Coupling, float, bool]] = []
        for coupling in model.couplings.values():
            assert isinstance(coupling, DenseCoupling)
            flipped = coupling.pre in rows
            row, column = (coupling.pre, coupling.post) if flipped else (coupling.post, coupling.pre)
            block = self._matrix[rows[row], columns[column]]
            self._blocks.append((block, coupling, math.sqrt(coupling.gain), flipped))

    @classmethod
    def of(cls, model: EquilibriumNetwork, side: Sequence[str] | None) -> "DenseHalf | None":
        """B, or None where it is no such matrix, or an emptier one than is worth its products."""
        couplings = list(model.couplings.values())
        if side is None or any(type(c) is not DenseCoupling for c in couplings):
            return None
        sizes = {name: len(model.biases[name]) for name in model.settling}
        if any(tuple(c.weight.shape) != (sizes[c.post], sizes[c.pre]) for c in couplings):
            return None  # parts of populations
        if len({frozenset((c.pre, c.post)) for c in couplings}) < len(couplings):
            return None  # two in one place
        height = sum(sizes[name] for name in side)
        area = height * (sum(sizes.values()) - height)
        filled = sum(c.weight.numel() for c in couplings)
        return cls(model, side) if filled >= LEAST_FILL * area > 0 else None

    def matrix(self) -> Tensor:
        """B of the present weights, valid until the next call."""
        for block, coupling, root, flipped in self._blocks:
            torch.mul(coupling.weight.T if flipped else coupling.weight, root, out=block)
        return self._matrix


def _symmetric(coupling: Coupling) -> bool:
    return coupling.symmetric if isinstance(coupling, PairCoupling) else True


def _places(model: EquilibriumNetwork, names: Sequence[str]) -> tuple[dict[str, slice], int]:
    """Where the units of each population stand when these follow each other, and how many there are."""
    ends = list(accumulate((len(model.biases[name]) for name in names), initial=0))
    return {name: slice(*pair) for name, pair in zip(names, pairwise(ends), strict=True)}, ends[-1]
