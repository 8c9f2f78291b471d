"""What a network is shown: features, and the constant currents they cause."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix

from mep_neuro.errors import StimulusError
from mep_neuro.simulation.network import Network, Projection

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Stimulus:
    """One constant presentation per sample.

    Attributes:
        rates: Rates of the clamped input population, (x - offset) / scale, shape (samples, n_input).
        drive: Constant current into each settling population: from the clamped input, plus the bias;
            shape (samples, n) each, dimensionless.
    """

    rates: Array
    drive: dict[str, Array]

    @property
    def samples(self) -> int:
        """Number of presentations."""
        return int(self.rates.shape[0])


def present(network: Network, features: NDArray[np.floating]) -> Stimulus:
    """Encode features and compute the currents that stay constant while the network settles.

    Args:
        network: The network.
        features: Shape (samples, n_input), as the data set gives them.

    Raises:
        StimulusError: The shape does not fit the input population, or a value is not finite.
    """
    source = network.input
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != source.size:
        raise StimulusError(
            f"population '{source.name}': features have shape {x.shape}; give (samples, {source.size})"
        )
    if not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise StimulusError(
            f"population '{source.name}': feature {column} of sample {row} is {x[row, column]}; "
            "give finite numbers"
        )
    rates = (x - source.offset) / source.scale
    drive = {p.name: np.tile(p.bias, (x.shape[0], 1)) for p in network.dynamic}
    for projection in network.projections.values():
        if projection.pre == source.name and projection.post in drive:
            add_forward(drive[projection.post], projection, rates)
    return Stimulus(rates, drive)


def add_forward(current: Array, projection: Projection, pre_rates: Array) -> None:
    """Add weight * s_pre to the current of the post population, in place; shapes (samples, n)."""
    synapses = projection.synapses
    shape = (current.shape[1], pre_rates.shape[1])
    weights = projection.forward_weights
    current += pre_rates @ coo_matrix((weights, (synapses.post, synapses.pre)), shape=shape).tocsr().T


def add_feedback(current: Array, projection: Projection, post_rates: Array) -> None:
    """Add gain * weight * s_post to the current of the pre population, in place; shapes (samples, n)."""
    synapses = projection.synapses
    shape = (current.shape[1], post_rates.shape[1])
    weights = projection.feedback_weights
    current += post_rates @ coo_matrix((weights, (synapses.pre, synapses.post)), shape=shape).tocsr().T
