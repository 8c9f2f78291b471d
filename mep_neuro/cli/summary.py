"""The sizes of a network as plain values, for `validate` and `show`."""

from typing import Any

from mep_neuro.simulation.coupling import coupled_map, spectral_radius
from mep_neuro.simulation.network import Network, Population, Projection


def network_summary(network: Network) -> dict[str, Any]:
    """Sizes, synapses (a lattice's counted once a pair), weights in bytes and the coupled map's radius."""
    populations = [_population(network, p) for p in network.populations.values()]
    projections = [_projection(network, p) for p in network.projections.values()]
    return {
        "name": network.spec.name,
        "units": sum(p["units"] for p in populations),
        "synapses": sum(p["synapses"] for p in projections),
        "weight_bytes": sum(p["weight_bytes"] for p in projections),
        "spectral_radius": spectral_radius(coupled_map(network)),
        "spectral_bound": network.spec.consolidation.spectral_bound,
        "without_energy": list(network.without_energy),
        "populations": populations,
        "projections": projections,
    }


def _population(network: Network, population: Population) -> dict[str, Any]:
    clamped = population.role == "input"
    return {
        "name": population.name,
        "role": population.role,
        "shape": list(population.shape),
        "units": population.size,
        "model": None if clamped else population.model,
        "activation": None if clamped else population.activation,
        "tau_mem_s": None if clamped else population.tau_mem,
        "bias": None if clamped else network.spec.populations[population.name].bias,
    }


def _projection(network: Network, projection: Projection) -> dict[str, Any]:
    section = network.spec.projections[projection.name]
    return {
        "name": projection.name,
        "pre": section.pre,
        "post": section.post,
        "connector": projection.kind,
        "synapses": int(projection.synapses.pre.size),
        "feedback": projection.feedback,
        "feedback_gain": abs(projection.feedback_gain),
        "weight_gain": section.weight.gain,
        "plastic": projection.plastic,
        "weight_bytes": int(projection.weight.nbytes),
    }
