"""From settled rates to classes."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mep_neuro.simulation.network import Network
from mep_neuro.simulation.stimulus import add_forward

Array = NDArray[np.float64]


def with_readout(network: Network, rates: Mapping[str, Array]) -> dict[str, Array]:
    """Settled rates, and those of a softmax read-out outside the dynamics where the network has one.

    Args:
        network: The network.
        rates: Rates of the settling populations, shape (samples, n) each.
    """
    complete = dict(rates)
    output = network.output
    if not output.dynamic:
        samples = next(iter(rates.values())).shape[0]
        current = np.tile(output.bias, (samples, 1))
        for projection in network.projections.values():
            if projection.post == output.name:
                seen = np.zeros_like(rates[projection.pre])
                units = projection.pre_units
                seen[:, units] = (rates[projection.pre][:, units] - projection.offset) * projection.gain
                add_forward(current, projection, seen)
        complete[output.name] = output.rate(current)
    return complete


def classes(network: Network, rates: Mapping[str, Array]) -> NDArray[np.int64]:
    """The class of each sample, the output unit with the largest rate; of sequences that of each position.

    Returns:
        Shape (samples,), or (samples, positions).
    """
    output, positions = rates[network.output.name], network.output.positions
    if positions > 1:
        output = output.reshape(len(output), positions, -1)
    winners: NDArray[np.int64] = np.argmax(output, axis=-1).astype(np.int64)
    return winners
