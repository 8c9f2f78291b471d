"""The coupled map of layers in a row: a map from every other layer to the layers between, there and back.

With the units sorted so, the symmetric map is [[0, B], [B^T, 0]]; its eigenvalues are the singular values of
B and these times -1. B has half of the products.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from mep_neuro.equilibrium.couplings.base import Coupling
from mep_neuro.equilibrium.couplings.dense import DenseCoupling
from mep_neuro.equilibrium.couplings.lattice import LatticeCoupling
from mep_neuro.equilibrium.couplings.pair import PairCoupling
from mep_neuro.equilibrium.model import EquilibriumNetwork

Send = Callable[[Tensor], Tensor]


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


class HalfMap:
    """Products of rows of states with a map between parts of some units and parts of others."""

    def __init__(self, parts: list[tuple[int, list[tuple[Send, slice]]]]) -> None:
        """Take the size of each part, in turn, and what sends to it, and from which units."""
        self._parts = parts

    def __call__(self, rows: Tensor) -> Tensor:
        """From (k, n) to (k, m)."""
        images = []
        for size, senders in self._parts:
            image: Tensor | None = None
            for send, start in senders:
                sent = send(rows[:, start])
                image = sent if image is None else image.add_(sent)
            images.append(rows.new_zeros(len(rows), size) if image is None else image)
        return images[0] if len(images) == 1 else torch.cat(images, 1)


def halves(model: EquilibriumNetwork, side: list[str] | None) -> tuple[HalfMap, HalfMap, int]:
    """The map from the smaller side to the other, its transpose, and the units of the smaller side.

    Without sides, the whole map and its transpose.
    """
    names = model.settling
    first = names if side is None else side
    second = names if side is None else [name for name in names if name not in side]
    (start, n), (end, _) = sorted((_places(model, first), _places(model, second)), key=lambda part: part[1])
    forth: dict[str, list[tuple[Send, slice]]] = {name: [] for name in end}
    back: dict[str, list[tuple[Send, slice]]] = {name: [] for name in start}
    for coupling in model.couplings.values():
        for send, transposed, pre, post in _directions(coupling):
            if pre in start and post in end:
                forth[post].append((send, start[pre]))
                back[pre].append((transposed, end[post]))
    sizes = {name: len(model.biases[name]) for name in names}
    there, again = ([(sizes[name], senders) for name, senders in m.items()] for m in (forth, back))
    return HalfMap(there), HalfMap(again), n


def _directions(coupling: Coupling) -> list[tuple[Send, Send, str, str]]:
    """What a coupling sends there and back, each with its transpose, from where and to where."""
    there, back = (coupling.pre, coupling.post), (coupling.post, coupling.pre)
    if isinstance(coupling, LatticeCoupling):
        return [(coupling.balanced, coupling.balanced, *there)]
    assert isinstance(coupling, DenseCoupling | PairCoupling)
    forward, feedback = coupling.balanced_forward, coupling.balanced_feedback
    if _symmetric(coupling):
        return [(forward, feedback, *there), (feedback, forward, *back)]
    assert isinstance(coupling, PairCoupling)
    return [
        (forward, coupling.balanced_forward_transposed, *there),
        (feedback, coupling.balanced_feedback_transposed, *back),
    ]


def _symmetric(coupling: Coupling) -> bool:
    return coupling.symmetric if isinstance(coupling, PairCoupling) else True


def _places(model: EquilibriumNetwork, names: Sequence[str]) -> tuple[dict[str, slice], int]:
    """Where the units of each population stand when these follow each other, and how many there are."""
    ends = list(accumulate((len(model.biases[name]) for name in names), initial=0))
    return {name: slice(*pair) for name, pair in zip(names, pairwise(ends), strict=True)}, ends[-1]
