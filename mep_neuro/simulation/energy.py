"""The weight k of each unit in the energy: k_post = g k_pre along every projection.

At a gain of 0.02 the first of 500 layers has k = 1e850: no float holds it. So in a network whose k
reach far, each population has an exponent of two, and its units hold k over that power.

An antisymmetric coupling has g below 0, so that k changes its sign along it: the contrast of a unit
is still the gradient of the cost, but what is called the energy then has no minimum at rest.

Source: shared design, 'Words and equations'; Xie and Seung 2003, 'Equivalence of
backpropagation and contrastive Hebbian learning in a layered network', section 4.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components

from mep_neuro.errors import TopologyError
from mep_neuro.simulation.synapses import Synapses

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Logarithm = NDArray[np.complex128]  # the logarithm of a negative number has the imaginary part pi

PLAIN_RANGE = 32
"""From k = 2**-32 to 2**32 all exponents are 0: float32 has room for that, and it costs nothing."""


class EnergyWeight(NamedTuple):
    """k of the units of a population: weight * 2**exponent.

    Attributes:
        weight: Shape (n,).
        exponent: 0, or in a network whose k reach beyond PLAIN_RANGE such that the largest |weight| is 1 or
            more and below 2.
    """

    weight: Array
    exponent: int


def energy_weights(
    sizes: Mapping[str, int],
    synapses: Mapping[str, tuple[str, str, Synapses]],
    nudged: Mapping[str, Index],
) -> dict[str, EnergyWeight]:
    """k of every settling unit, 1 where the cost pulls.

    Args:
        sizes: Units of each settling population.
        synapses: (pre, post, synapses) of each projection between settling populations, by name.
        nudged: The units of each population that the cost pulls at: k is 1 at the first of those that
            projections between settling populations join.

    Raises:
        TopologyError: No energy belongs to the network: two paths give a unit different k.
    """
    starts = dict(zip(sizes, np.concatenate([[0], np.cumsum(list(sizes.values()))]), strict=False))
    total = sum(sizes.values())
    parts = [
        (s.pre + starts[pre], s.post + starts[post], np.log(s.gain.astype(complex)))
        for pre, post, s in synapses.values()
    ]
    if not parts or not any(np.any(p[2] != 0.0) for p in parts):
        return {name: EnergyWeight(np.ones(size), 0) for name, size in sizes.items()}
    pre, post, log_gain = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    log_k = _potential(total, pre, post, log_gain)
    log_k -= _at_the_nudge(log_k, _components(total, pre, post), starts, nudged)
    wrong = np.abs(np.exp(log_k[pre] + log_gain - log_k[post]) - 1.0) > 1e-9
    if wrong.any():
        names = np.repeat(list(synapses), [p[0].size for p in parts])
        name = str(names[np.flatnonzero(wrong)[0]])
        raise TopologyError(
            [
                f"projections.{name}.feedback_gain: two paths between the same units multiply to different "
                "gains, so no energy belongs to the network; give parallel paths the same product of gains"
            ]
        )
    plain = bool(np.abs(log_k.real).max() <= PLAIN_RANGE * np.log(2.0))
    return {name: _held(log_k[starts[name] : starts[name] + size], plain) for name, size in sizes.items()}


def _at_the_nudge(
    log_k: Logarithm, component: Index, starts: Mapping[str, int], nudged: Mapping[str, Index]
) -> Logarithm:
    """log k of the first nudged unit in the part of the network to which each unit belongs."""
    units = np.concatenate([starts[name] + units for name, units in nudged.items()])
    parts, first = np.unique(component[units], return_index=True)
    reference = np.zeros(component.max() + 1, dtype=complex)
    reference[parts] = log_k[units[first]]
    return reference[component]


def _components(total: int, pre: Index, post: Index) -> Index:
    """Number of the part, joined by synapses, to which each unit belongs."""
    component: Index = connected_components(_graph(total, pre, post), directed=False)[1]
    return component


def _held(log_k: Logarithm, plain: bool) -> EnergyWeight:
    if plain:
        return EnergyWeight(np.exp(log_k).real, 0)
    exponent = int(np.floor(log_k.real.max() / np.log(2.0) + 1e-9))  # k = 8 has the logarithm 2.999...
    return EnergyWeight(np.exp(log_k - exponent * np.log(2.0)).real, exponent)


def _potential(total: int, pre: Index, post: Index, log_gain: Logarithm) -> Logarithm:
    """log k with log k[post] = log k[pre] + log g along one spanning tree, rooted at an extra unit."""
    _, first = np.unique(_components(total, pre, post), return_index=True)
    pre, post = np.r_[pre, np.full(first.size, total)], np.r_[post, first]
    log_gain = np.r_[log_gain, np.zeros(first.size)]
    order, parent = breadth_first_order(_graph(total + 1, pre, post), total, directed=False)
    below = order[1:].astype(np.int64)  # scipy counts in int32, which the products below exceed
    above = parent[below].astype(np.int64)
    edge, first = np.unique(pre * (total + 1) + post, return_index=True)
    forth, back = above * (total + 1) + below, below * (total + 1) + above
    place = np.minimum(np.searchsorted(edge, forth), edge.size - 1)
    other = np.minimum(np.searchsorted(edge, back), edge.size - 1)
    rise = np.where(edge[place] == forth, log_gain[first[place]], -log_gain[first[other]])
    log_k = np.zeros(total + 1, dtype=complex)
    for unit, from_unit, step in zip(below.tolist(), above.tolist(), rise.tolist(), strict=True):
        log_k[unit] = log_k[from_unit] + step
    return log_k[:total]


def _graph(size: int, pre: Index, post: Index) -> csr_matrix:
    return coo_matrix((np.ones(pre.size), (pre, post)), shape=(size, size)).tocsr()
