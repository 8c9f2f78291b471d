"""From a specification to a network with its starting weights."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mep_neuro.errors import TopologyError
from mep_neuro.simulation.coupling import balanced_map, spectral_radius
from mep_neuro.simulation.energy import energy_weights
from mep_neuro.simulation.network import Network, Population, Projection
from mep_neuro.simulation.synapses import (
    Synapses,
    dense_synapses,
    joining_synapses,
    lattice_synapses,
    no_synapses,
    pointwise_synapses,
)
from mep_neuro.topology.part import parse_part
from mep_neuro.topology.spec import Attention, Lattice, NetworkSpec, Pointwise

Array = NDArray[np.float64]


def build(spec: NetworkSpec, seed: int | None = None) -> Network:
    """Draw the starting weights of a specification.

    Args:
        spec: The specification.
        seed: Replaces `seeds.init`.

    Returns:
        The network, weights in float64.

    Raises:
        TopologyError: No energy belongs to the network (feedback gains of parallel paths differ).
    """
    base = spec.seeds.init if seed is None else seed
    streams = np.random.SeedSequence(base).spawn(len(spec.projections))
    projections = {
        name: _projection(spec, name, np.random.default_rng(stream))
        for name, stream in zip(spec.projections, streams, strict=True)
    }
    populations = {name: _population(spec, name) for name in spec.populations}
    weights = _energy_weights(spec, populations, projections)
    populations = {
        name: replace(p, energy_weight=weights.get(name, np.ones(p.size))) for name, p in populations.items()
    }
    return Network(spec, populations, projections)


def _population(spec: NetworkSpec, name: str) -> Population:
    section, neuron = spec.populations[name], spec.neuron_of(name)
    size = int(np.prod(section.shape))
    return Population(
        name=name,
        shape=section.shape,
        role=section.role,
        model=neuron.model,
        activation=neuron.activation,
        tau_mem=neuron.tau_mem,
        bias=np.full(size, 0.0 if section.role == "input" else section.bias),
        plastic_bias=section.plastic_bias,
        energy_weight=np.ones(size),
        offset=np.zeros(size),
        scale=1.0 if section.encoding is None else section.encoding.scale,
    )


def _projection(spec: NetworkSpec, name: str, rng: np.random.Generator) -> Projection:
    section = spec.projections[name]
    pre, post = parse_part(section.pre), parse_part(section.post)
    pre_units = pre.units(spec.populations[pre.population].shape)
    post_units = post.units(spec.populations[post.population].shape)
    if isinstance(section.connector, Lattice):
        shape = spec.populations[pre.population].shape
        synapses = lattice_synapses(shape, section.connector, section.feedback_gain)
        weight_shape: tuple[int, ...] = (synapses.pre.size,)
        fan_in: float | NDArray[np.intp] = 2 * synapses.pre.size / pre_units.size
    elif isinstance(section.connector, Pointwise):
        positions = len(post.ranges(spec.populations[post.population].shape)[0])
        synapses = pointwise_synapses(pre_units, post_units, positions, section.feedback_gain)
        weight_shape = (post_units.size // positions, pre_units.size // positions)
        fan_in = weight_shape[1]
    elif isinstance(section.connector, Attention):
        synapses = no_synapses()
        widths = [spec.populations[part.population].shape[1] for part in (post, pre)]
        weight_shape = (section.connector.heads * section.connector.key_width, sum(widths))
        fan_in = np.repeat(widths, widths)
    else:
        synapses = dense_synapses(pre_units, post_units, section.feedback_gain)
        weight_shape = (post_units.size, pre_units.size)
        fan_in = pre_units.size
    projection = Projection(
        name=name,
        pre=pre.population,
        post=post.population,
        kind=section.connector.type,
        weight=_draw(section.weight.init, weight_shape, section.weight.gain / np.sqrt(fan_in), rng),
        plastic=section.plastic,
        feedback_gain=section.feedback_gain,
        synapses=synapses,
        offset=np.zeros(pre_units.size),
        gain=1.0,
    )
    if section.weight.spectral_radius is None:
        return projection
    radius = _own_radius(projection, spec)
    return replace(
        projection, weight=projection.weight * (section.weight.spectral_radius / max(radius, 1e-300))
    )


def _draw(init: str, shape: tuple[int, ...], deviation: float | Array, rng: np.random.Generator) -> Array:
    if init == "zeros":
        return np.zeros(shape)
    if init == "uniform":
        return rng.uniform(-np.sqrt(3.0), np.sqrt(3.0), shape) * deviation
    return rng.standard_normal(shape) * deviation


def _own_radius(projection: Projection, spec: NetworkSpec) -> float:
    names = list(dict.fromkeys((projection.pre, projection.post)))
    sizes = [int(np.prod(spec.populations[n].shape)) for n in names]
    offsets = dict(zip(names, [0, *np.cumsum(sizes).tolist()], strict=False))
    return spectral_radius(balanced_map({projection.name: projection}, offsets, sum(sizes)))


def _energy_weights(
    spec: NetworkSpec, populations: Mapping[str, Population], projections: Mapping[str, Projection]
) -> dict[str, Array]:
    sizes = {name: p.size for name, p in populations.items() if p.dynamic}
    if not sizes:
        raise TopologyError(["populations: no unit settles; add a hidden population"])
    inner: dict[str, tuple[str, str, Synapses]] = {
        name: (p.pre, p.post, _with_an_energy(p, sizes))
        for name, p in projections.items()
        if p.pre in sizes and p.post in sizes
    }
    return energy_weights(sizes, inner, _nudged_units(spec, populations, projections))


def _with_an_energy(projection: Projection, sizes: Mapping[str, int]) -> Synapses:
    """Pairs of units whose energy weights the projection ties together."""
    if projection.kind != "attention":
        return projection.synapses
    return joining_synapses(sizes[projection.pre], sizes[projection.post], projection.feedback_gain)


def _nudged_units(
    spec: NetworkSpec, populations: Mapping[str, Population], projections: Mapping[str, Projection]
) -> tuple[str, NDArray[np.intp]]:
    """Where the cost pulls: the output, or what a read-out outside the dynamics looks at."""
    output = populations[spec.population_with_role("output")]
    if output.dynamic:
        return output.name, np.arange(output.size)
    into = next(p for p in projections.values() if p.post == output.name)
    return into.pre, np.unique(into.synapses.pre)
