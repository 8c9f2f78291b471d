"""The currents between settling populations as one sparse operator, and the residual of a state."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix

from mep_neuro.simulation.network import Network, Population, Projection
from mep_neuro.simulation.stimulus import Stimulus
from mep_neuro.simulation.torch_only import refuse_torch_only

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Currents:
    """current = drive + rates @ recurrent.T, over all settling units side by side.

    Attributes:
        populations: The settling populations, in the order of the units.
        recurrent: Forward weights W and feedback weights g W^T, shape (units, units).
    """

    populations: tuple[Population, ...]
    recurrent: csr_matrix

    def join(self, values: Mapping[str, Array]) -> Array:
        """Values of each population, (..., n) each, side by side: (..., units). Others are left out."""
        return np.concatenate([values[p.name] for p in self.populations], axis=-1)

    def split(self, values: Array) -> dict[str, Array]:
        """The inverse of `join`."""
        ends = np.cumsum([p.size for p in self.populations])[:-1]
        parts = np.split(values, ends, axis=-1)
        return {p.name: part for p, part in zip(self.populations, parts, strict=True)}

    def into(self, drive: Array, rates: Array) -> Array:
        """Total current into every unit, shape (samples, units)."""
        total: Array = drive + (self.recurrent @ rates.T).T
        return total

    def rate(self, membrane: Array) -> Array:
        """s = rho(v), each population with its own rho."""
        parts = self.split(membrane)
        return self.join({p.name: p.rate(parts[p.name]) for p in self.populations})

    def residual(self, drive: Array, rates: Array) -> Array:
        """Largest |s - rho(current)| over the units of each sample, shape (samples,)."""
        distance: Array = np.abs(rates - self.rate(self.into(drive, rates))).max(axis=1)
        return distance


def _weights_of(projection: Projection) -> tuple[Array, Array]:
    return projection.forward_weights, projection.feedback_weights


def currents(
    network: Network, weights: Callable[[Projection], tuple[Array, Array]] = _weights_of
) -> Currents:
    """Build the operator of a network; it stays valid while the weights do.

    Args:
        network: The network.
        weights: What each synapse of a projection multiplies with, forward and back, shape (n,) each.

    Raises:
        UnsupportedError: Attention is no sum over synapses.
    """
    refuse_torch_only(network, "a matrix of synapses")
    populations = network.dynamic
    starts = np.concatenate([[0], np.cumsum([p.size for p in populations])])
    first = {p.name: int(start) for p, start in zip(populations, starts[:-1], strict=True)}
    total, rows, columns = int(starts[-1]), [], []
    values: list[Array] = []
    for projection in network.projections.values():
        if projection.pre in first and projection.post in first:
            synapses = projection.synapses
            pre, post = synapses.pre + first[projection.pre], synapses.post + first[projection.post]
            rows += [post, pre]
            columns += [pre, post]
            values += weights(projection)
    if not rows:
        return Currents(populations, csr_matrix((total, total)))
    places = (np.concatenate(rows), np.concatenate(columns))
    return Currents(populations, coo_matrix((np.concatenate(values), places), shape=(total, total)).tocsr())


def residual(network: Network, stimulus: Stimulus, rates: Mapping[str, Array]) -> Array:
    """How far rates are from a fixed point of the free phase.

    Args:
        network: The network.
        stimulus: What it is shown.
        rates: Rates of the settling populations, shape (samples, n) each; others are left out.

    Returns:
        Largest |s - rho(current)| over the units of each sample, shape (samples,).
    """
    operator = currents(network)
    return operator.residual(operator.join(stimulus.drive), operator.join(rates))
