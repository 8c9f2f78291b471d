"""The synapses of a projection as index lists: what every back end can express."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from mep_neuro.topology.spec import Lattice

Index = NDArray[np.intp]


@dataclass(frozen=True)
class Synapses:
    """One row a synapse: scale * weight * s_pre to `post`, and gain * scale * weight * s_post back.

    `Projection.forward_weights` and `Projection.feedback_weights` are these factors; where the
    feedback has weights of its own (feedback alignment), those stand in for `weight` on the way back.

    Attributes:
        pre: Unit of the pre population, shape (n,).
        post: Unit of the post population, shape (n,).
        slot: Index of its weight in the projection's weight.ravel(), shape (n,).
        gain: Its feedback gain g, shape (n,); below 0 where the coupling is antisymmetric.
        scale: Multiplies both ways: 1 / pool^2 where a convolution is averaged, 1 otherwise.
    """

    pre: Index
    post: Index
    slot: Index
    gain: NDArray[np.float64]
    scale: float = 1.0


def dense_synapses(pre_units: Index, post_units: Index, feedback_gain: float) -> Synapses:
    """Every pre unit to every post unit; weight (n_post, n_pre)."""
    n = pre_units.size * post_units.size
    return Synapses(
        pre=np.tile(pre_units, post_units.size),
        post=np.repeat(post_units, pre_units.size),
        slot=np.arange(n),
        gain=np.full(n, feedback_gain),
    )


def pointwise_synapses(pre_units: Index, post_units: Index, positions: int, feedback_gain: float) -> Synapses:
    """At each position, every pre unit to every post unit; weight (post width, pre width)."""
    pre, post = pre_units.reshape(positions, 1, -1), post_units.reshape(positions, -1, 1)
    shape = (positions, post.shape[1], pre.shape[2])
    slot = np.arange(shape[1] * shape[2]).reshape(1, shape[1], shape[2])
    before, after, shared = (np.broadcast_to(index, shape).ravel() for index in (pre, post, slot))
    return Synapses(before, after, shared, np.full(before.size, feedback_gain))


def no_synapses() -> Synapses:
    """Of a projection that is not a sum over synapses, as attention."""
    none = np.zeros(0, dtype=np.intp)
    return Synapses(none, none, none, np.zeros(0))


def joining_synapses(pre_size: int, post_size: int, feedback_gain: float) -> Synapses:
    """The fewest pairs that join every unit of two populations."""
    pre = np.r_[np.arange(pre_size), np.zeros(post_size - 1, dtype=np.intp)]
    post = np.r_[np.zeros(pre_size, dtype=np.intp), np.arange(1, post_size)]
    return Synapses(pre, post, np.zeros(pre.size, dtype=np.intp), np.full(pre.size, feedback_gain))


def lattice_offsets(neighbours: int, radius: int = 1) -> list[tuple[int, int, int]]:
    """Half of the neighbour offsets (the other half are their negatives), lexicographically positive.

    At most `radius` steps along each axis, and radius, 2 radius or 3 radius steps in all.
    """
    most = {6: 1, 18: 2, 26: 3}[neighbours] * radius
    cells = ((x, y, z) for x, y, z in product(range(-radius, radius + 1), repeat=3))
    return [d for d in cells if sum(map(abs, d)) <= most and d > (0, 0, 0)]


def lattice_synapses(shape: tuple[int, ...], connector: Lattice, feedback_gain: float) -> Synapses:
    """Each pair of neighbours once, from the lower slice along `axis` to the higher; weight (n_edges,).

    The gain is g to the power of the slices between the two, so that one energy belongs to it.
    Edges are sorted by (lower unit, higher unit): what a contrast writes in one pass.
    """
    position = np.indices(shape).reshape(3, -1)
    size = position.shape[1]
    pairs = []
    for offset in lattice_offsets(connector.neighbours, connector.radius):
        target = position + np.array(offset)[:, None]
        if connector.periodic:
            inside = np.ones(size, dtype=bool)
            target %= np.array(shape)[:, None]
        else:
            inside = np.all((target >= 0) & (target < np.array(shape)[:, None]), axis=0)
        pairs.append(
            np.stack([np.flatnonzero(inside), np.ravel_multi_index(tuple(target[:, inside]), shape)])
        )
    pre, post = np.concatenate(pairs, axis=1)
    slice_of = position[connector.axis]
    turned = slice_of[pre] > slice_of[post]
    pre, post = np.where(turned, post, pre), np.where(turned, pre, post)
    order = np.argsort(np.minimum(pre, post) * size + np.maximum(pre, post), kind="stable")
    pre, post = pre[order], post[order]
    slices = slice_of[post] - slice_of[pre]
    if connector.periodic:
        slices = np.minimum(slices, shape[connector.axis] - slices)
    gain = float(feedback_gain) ** slices
    return Synapses(pre, post, np.arange(pre.size), gain)
