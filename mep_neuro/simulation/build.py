"""From a specification to a network with its starting weights."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mep_neuro.errors import TopologyError
from mep_neuro.simulation.coupling import balanced_map, spectral_radius
from mep_neuro.simulation.energy import EnergyWeight, energy_weights
from mep_neuro.simulation.network import Network, Population, Projection
from mep_neuro.simulation.synapses import Synapses, joining_synapses
from mep_neuro.simulation.weight_bits import rounded
from mep_neuro.simulation.wiring import Wiring, signed_gain, wire
from mep_neuro.topology.part import parse_part
from mep_neuro.topology.spec import NetworkSpec, WeightInit
from mep_neuro.topology.spec import Projection as Section

Array = NDArray[np.float64]


def build(spec: NetworkSpec, seed: int | None = None) -> Network:
    """Draw the starting weights of a specification.

    Args:
        spec: The specification.
        seed: Replaces `seeds.init`, in the network's specification too.

    Returns:
        The network, weights in float64.

    Raises:
        TopologyError: No energy belongs to the network (feedback gains of parallel paths differ).
    """
    base = spec.seeds.init if seed is None else seed
    spec = spec.model_copy(update={"seeds": spec.seeds.model_copy(update={"init": base})})
    streams = np.random.SeedSequence(base).spawn(len(spec.projections))
    projections = {
        name: _projection(spec, name, np.random.default_rng(stream))
        for name, stream in zip(spec.projections, streams, strict=True)
    }
    populations = {name: _population(spec, name) for name in spec.populations}
    weights = _energy_weights(spec, populations, projections)
    populations = {
        name: replace(p, energy_weight=weights[name].weight, energy_exponent=weights[name].exponent)
        if name in weights
        else p
        for name, p in populations.items()
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
        bias_channels=section.shape[0] if section.bias_per == "channel" else None,
    )


def _projection(spec: NetworkSpec, name: str, rng: np.random.Generator) -> Projection:
    section = spec.projections[name]
    wiring = wire(spec, section, rng)
    weight = _draw(section.weight, section.weight.init, wiring, rng)
    pre, post = parse_part(section.pre), parse_part(section.post)
    projection = Projection(
        name=name,
        pre=pre.population,
        post=post.population,
        kind=section.connector.type,
        weight=weight,
        plastic=section.plastic,
        feedback_gain=signed_gain(section),
        synapses=wiring.synapses,
        offset=np.zeros(pre.units(spec.populations[pre.population].shape).size),
        gain=1.0,
        feedback_weight=_feedback_weight(section, wiring, rng),
    )
    projection = _rounded(projection, section)
    if section.weight.spectral_radius is None:
        return projection
    factor = section.weight.spectral_radius / max(_own_radius(projection, spec), 1e-300)
    back = projection.feedback_weight
    projection = replace(
        projection, weight=weight * factor, feedback_weight=None if back is None else back * factor
    )
    return _rounded(projection, section)


def _rounded(projection: Projection, section: Section) -> Projection:
    """The projection with weights of few bits, where the file says so; random feedback is rounded too."""
    bits = section.weight_bits
    if bits is None:
        return projection
    latent, back = projection.weight, projection.feedback_weight
    return replace(
        projection,
        weight=rounded(latent, bits),
        feedback_weight=None if back is None else rounded(back, bits),
        weight_bits=bits,
        latent_weight=latent,
    )


def _feedback_weight(section: Section, wiring: Wiring, rng: np.random.Generator) -> Array | None:
    """Random feedback is drawn as the weights are, or normal where those are not drawn."""
    if section.feedback != "random":
        return None
    init = section.weight.init if section.weight.init in ("normal", "uniform") else "normal"
    return _draw(section.weight, init, wiring, rng)


def _draw(weight: WeightInit, init: str, wiring: Wiring, rng: np.random.Generator) -> Array:
    shape, deviation = wiring.weight_shape, weight.gain / np.sqrt(wiring.fan_in)
    if init in ("zeros", "constant"):
        return np.full(shape, 0.0 if init == "zeros" else weight.gain)
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
) -> dict[str, EnergyWeight]:
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
) -> dict[str, NDArray[np.intp]]:
    """Where the cost pulls: the output, or what read-outs outside the dynamics look at."""
    output = populations[spec.population_with_role("output")]
    if output.dynamic:
        return {output.name: np.arange(output.size)}
    seen: dict[str, NDArray[np.intp]] = {}
    for p in projections.values():
        if p.post == output.name:
            seen[p.pre] = np.union1d(seen.get(p.pre, p.synapses.pre), p.synapses.pre)
    return seen
