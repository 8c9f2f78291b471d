"""A network with other neurons, its weights as they are: `run RUN --neuron sif`."""

from dataclasses import replace

from mep_neuro.simulation.network import Network
from mep_neuro.topology.neuron_override import with_neuron


def network_with_neuron(network: Network, model: str) -> Network:
    """The same populations and weights, of another neuron model.

    Raises:
        TopologyError: The model is unknown, or the network has what it cannot express.
    """
    spec = with_neuron(network.spec, model)
    populations = {}
    for name, population in network.populations.items():
        neuron = spec.neuron_of(name)
        populations[name] = replace(population, model=neuron.model, tau_mem=neuron.tau_mem)
    return replace(network, spec=spec, populations=populations)
