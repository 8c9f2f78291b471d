"""The force of the cost on a network at rest, in numpy: what the nudged phase multiplies with beta."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mep_neuro.neurons.activation import softmax
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.readout import with_readout

Array = NDArray[np.float64]


def force(network: Network, rates: Mapping[str, Array], target: Array) -> dict[str, Array]:
    """-dC/ds of the settling populations that the cost sees, over their energy weight k.

    Args:
        network: The network.
        rates: Of the settling populations in the free phase, shape (samples, n) each.
        target: Shape (samples, n_output).

    Source: design, 'Words and equations': the nudge is the constant current -beta dC/ds.
    """
    output = network.output
    if output.dynamic:
        cost = network.spec.equilibrium.nudge.cost
        seen = softmax(rates[output.name]) if cost == "cross_entropy" else rates[output.name]
        return {output.name: target - seen}
    error = (target - with_readout(network, rates)[output.name]) / output.positions
    pulls: dict[str, Array] = {}
    for projection in network.projections.values():
        if projection.post == output.name:
            synapses, pre = projection.synapses, network.populations[projection.pre]
            matrix = np.zeros((output.size, pre.size))
            np.add.at(matrix, (synapses.post, synapses.pre), projection.forward_weights)
            pull = error @ matrix * projection.gain / pre.k
            pulls[pre.name] = pulls.get(pre.name, 0.0) + pull
    return pulls
