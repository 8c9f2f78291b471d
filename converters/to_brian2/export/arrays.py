"""The numbers of an exported script: weights.npz and golden.npz."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.equations import inner_projections
from mep_neuro.converters.to_brian2.export.units import units
from mep_neuro.converters.to_brian2.objects import order_of, projection_values
from mep_neuro.converters.to_brian2.spiking.objects import values as spiking_values
from mep_neuro.simulation.network import Network, Projection
from mep_neuro.simulation.readout import with_readout
from mep_neuro.simulation.reference import euler_steps
from mep_neuro.simulation.spiking import is_spiking, spiking_phase
from mep_neuro.simulation.stimulus import present

Array = NDArray[np.float64]


def weights(network: Network) -> dict[str, NDArray[Any]]:
    """Of each population `NAME.bias` and its time courses, of each projection `NAME.i`, `.j`, `.w`, ..."""
    clamped, output = network.input, network.output
    found = {f"{clamped.name}.offset": clamped.offset, f"{clamped.name}.scale": np.array(clamped.scale)}
    for p in (*network.dynamic, *(() if output.dynamic else (output,))):
        found[f"{p.name}.bias"] = p.bias
    if is_spiking(network):
        for p in network.dynamic:
            found |= {f"{p.name}.{name}": c for name, c in units(network, p, []).courses.items()}
    inner = {q.name for q in inner_projections(network)}
    for q in network.projections.values():
        numbers = _inner(network, q) if q.name in inner else _outer(network, q)
        found |= {f"{q.name}.{name}": value for name, value in numbers.items()}
    return found


def same_steps(network: Network, features: Array, steps: int) -> dict[str, Array]:
    """Rates by the numpy reference after so many steps from rest, shape (samples, n) each."""
    stimulus = present(network, features)
    if is_spiking(network):
        return with_readout(network, spiking_phase(network, stimulus).rates)
    states = euler_steps(network, stimulus, network.spec.equilibrium.dt)
    for _, membranes in zip(range(steps + 1), states, strict=False):
        last = membranes
    return with_readout(network, {name: network.populations[name].rate(v) for name, v in last.items()})


def _inner(network: Network, projection: Projection) -> Mapping[str, NDArray[Any]]:
    """Of a projection that becomes Synapses."""
    values = spiking_values if is_spiking(network) else projection_values
    order = order_of(projection)
    ends = {"i": projection.synapses.pre[order], "j": projection.synapses.post[order]}
    return {**ends, **values(projection, 1)}


def _outer(network: Network, projection: Projection) -> Mapping[str, NDArray[Any]]:
    """Of a projection from the clamped input, or to a read-out outside the dynamics."""
    synapses = projection.synapses
    ends = {"i": synapses.pre, "j": synapses.post}
    if projection.pre == network.input.name:
        return {**ends, "w": projection.forward_weights}
    offset = np.zeros(network.populations[projection.pre].size)
    offset[projection.pre_units] = projection.offset
    return {**ends, "w": projection.forward_weights * projection.gain, "offset": offset}
