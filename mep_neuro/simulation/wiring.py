"""What a connector joins: its synapses, the shape of its weight, and how many synapses reach a unit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mep_neuro.simulation.connectors import convolution_synapses, one_to_one_synapses, sparse_synapses
from mep_neuro.simulation.synapses import (
    Synapses,
    dense_synapses,
    lattice_synapses,
    no_synapses,
    pointwise_synapses,
)
from mep_neuro.topology.convolution import convolution_shape
from mep_neuro.topology.part import parse_part
from mep_neuro.topology.spec import (
    Attention,
    Conv2d,
    Lattice,
    NetworkSpec,
    OneToOne,
    Pointwise,
    Projection,
    Sparse,
)


@dataclass(frozen=True)
class Wiring:
    """A projection before its weights are drawn.

    Attributes:
        synapses: Every synapse as indices into the whole populations.
        weight_shape: Shape of the weight.
        fan_in: Synapses that reach a unit (of an attention: of each column of the weight).
    """

    synapses: Synapses
    weight_shape: tuple[int, ...]
    fan_in: float | NDArray[np.intp]


def wire(spec: NetworkSpec, section: Projection, rng: np.random.Generator) -> Wiring:
    """The wiring of one projection; `rng` draws which synapses a sparse one has."""
    connector, gain = section.connector, signed_gain(section)
    pre, post = parse_part(section.pre), parse_part(section.post)
    pre_shape = spec.populations[pre.population].shape
    post_shape = spec.populations[post.population].shape
    if isinstance(connector, Attention):
        widths = [post_shape[1], pre_shape[1]]
        weight_shape = (connector.heads * connector.key_width, sum(widths))
        return Wiring(no_synapses(), weight_shape, np.repeat(widths, widths))
    if isinstance(connector, Lattice):
        synapses = lattice_synapses(pre_shape, connector, gain)
        return Wiring(synapses, (synapses.pre.size,), 2 * synapses.pre.size / int(np.prod(pre_shape)))
    if isinstance(connector, Conv2d):
        shape = convolution_shape(connector, pre_shape, post_shape)
        fan_in = shape.in_channels * shape.kernel**2
        return Wiring(convolution_synapses(shape, gain), shape.weight_shape, fan_in)
    pre_units, post_units = pre.units(pre_shape), post.units(post_shape)
    if isinstance(connector, OneToOne):
        return Wiring(one_to_one_synapses(pre_units, post_units, gain), (pre_units.size,), 1)
    if isinstance(connector, Sparse):
        synapses = sparse_synapses(pre_units, post_units, connector.probability, gain, rng)
        return Wiring(synapses, (synapses.pre.size,), max(1.0, pre_units.size * connector.probability))
    if isinstance(connector, Pointwise):
        positions = len(post.ranges(post_shape)[0])
        synapses = pointwise_synapses(pre_units, post_units, positions, gain)
        weight_shape = (post_units.size // positions, pre_units.size // positions)
        return Wiring(synapses, weight_shape, weight_shape[1])
    shape_of_dense = (post_units.size, pre_units.size)
    return Wiring(dense_synapses(pre_units, post_units, gain), shape_of_dense, pre_units.size)


def signed_gain(section: Projection) -> float:
    """The feedback gain, below 0 where the coupling is antisymmetric."""
    return -section.feedback_gain if section.feedback == "antisymmetric" else section.feedback_gain
