"""The synapses of the connectors that are neither dense nor a lattice."""

import numpy as np
from numpy.typing import NDArray

from mep_neuro.simulation.synapses import Index, Synapses
from mep_neuro.topology.convolution import ConvolutionShape


def convolution_synapses(shape: ConvolutionShape, feedback_gain: float) -> Synapses:
    """One synapse for each unit, each place of its square of the pooling, and each weight of its kernel.

    Weights are shared: the slot is an index into (out_channels, in_channels, kernel, kernel). The
    mean over the square is the scale 1 / pool^2. Zeros around the image have no synapse.
    """
    image, pooled = shape.image, shape.pooled
    sides = (*pooled, shape.pool, shape.pool, shape.kernel, shape.kernel)
    row, column, up, left, y, x = np.indices(sides).reshape(6, -1)
    at_row = (row * shape.pool + up) * shape.stride + y - shape.padding
    at_column = (column * shape.pool + left) * shape.stride + x - shape.padding
    inside = (at_row >= 0) & (at_row < image[0]) & (at_column >= 0) & (at_column < image[1])
    pre = (at_row * image[1] + at_column)[inside]
    post = (row * pooled[1] + column)[inside]
    slot = (y * shape.kernel + x)[inside]
    into = np.arange(shape.out_channels)[:, None, None]
    out_of = np.arange(shape.in_channels)[None, :, None]
    size = (shape.out_channels, shape.in_channels, pre.size)
    pre = np.broadcast_to(out_of * image[0] * image[1] + pre, size).ravel()
    post = np.broadcast_to(into * pooled[0] * pooled[1] + post, size).ravel()
    slots = ((into * shape.in_channels + out_of) * shape.kernel**2 + slot).ravel()
    return Synapses(pre, post, slots, np.full(pre.size, feedback_gain), 1.0 / shape.pool**2)


def one_to_one_synapses(pre_units: Index, post_units: Index, feedback_gain: float) -> Synapses:
    """The first unit to the first, the second to the second; weight (n,)."""
    return Synapses(pre_units, post_units, np.arange(pre_units.size), np.full(pre_units.size, feedback_gain))


def sparse_synapses(
    pre_units: Index, post_units: Index, probability: float, feedback_gain: float, rng: np.random.Generator
) -> Synapses:
    """Each pair of units with a probability, sorted by (post, pre); weight (n_synapses,)."""
    chosen = _chosen(pre_units.size * post_units.size, probability, rng)
    post, pre = np.divmod(chosen, pre_units.size)
    gain = np.full(chosen.size, feedback_gain)
    return Synapses(pre_units[pre], post_units[post], np.arange(chosen.size), gain)


def _chosen(places: int, probability: float, rng: np.random.Generator) -> NDArray[np.intp]:
    """Each of 0 .. places - 1 with a probability, ascending, in time and memory of those chosen.

    The distance from one to the next is geometric.
    """
    parts, last = [], -1
    while last < places:
        expected = (places - last) * probability
        steps = rng.geometric(probability, int(expected + 4.0 * expected**0.5) + 16)
        parts.append(last + np.cumsum(steps))
        last = int(parts[-1][-1])
    chosen = np.concatenate(parts)
    found: NDArray[np.intp] = chosen[chosen < places]
    return found
