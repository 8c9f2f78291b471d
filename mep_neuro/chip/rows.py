"""Which populations lie on a chip and in which rows, the constant currents into them, and their rates."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mep_neuro.errors import ChipRangeError
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.stimulus import Stimulus

Array = NDArray[np.float64]


def first_rows(network: Network, *, inputs_on_chip: bool) -> dict[str, int]:
    """First row of each population on the chip: the input, where it is there, then those that settle."""
    populations = [*([network.input] if inputs_on_chip else []), *network.dynamic]
    starts = np.cumsum([0, *(p.size for p in populations)])[:-1].tolist()
    return dict(zip([p.name for p in populations], starts, strict=True))


def constant_currents(
    network: Network, stimulus: Stimulus, chip: str, *, inputs_on_chip: bool
) -> Mapping[str, Array]:
    """Constant currents of each population on the chip, shape (samples, n) each, dimensionless.

    The clamped input is constant while the network settles: the host computes its currents in float. On the
    chip it is units that nothing drives, whose current makes them settle to the input rate.

    Raises:
        ChipRangeError: The input is on the chip, and a rate of it is outside 0 to 1.
    """
    if not inputs_on_chip:
        return stimulus.drive
    source, rates = network.input, stimulus.rates
    outside = ~((rates >= 0.0) & (rates <= 1.0))
    if outside.any():
        sample, unit = np.argwhere(outside)[0]
        raise ChipRangeError(
            f"population '{source.name}': the rate {rates[sample, unit]:.6g} of unit {unit} of sample "
            f"{sample} is outside 0 to 1, which is all that a unit on {chip} has; scale the "
            "input, or leave it to the host"
        )
    biases = {p.name: np.tile(p.bias, (stimulus.samples, 1)) for p in network.dynamic}
    return {source.name: rates, **biases}


def by_population(network: Network, offsets: Mapping[str, int], rates: Array) -> dict[str, Array]:
    """Rates (..., rows) of each settling population, (..., n) each."""
    ends = list(offsets.values())[1:]
    named = dict(zip(offsets, np.split(rates, ends, axis=-1), strict=True))
    named.pop(network.input.name, None)
    return named
