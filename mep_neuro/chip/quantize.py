"""From a float network to the integers of a chip, with every range checked.

Scales: W = weight 2^-E, s = S 2^-B, v = V 2^-P with P = E + B + k, leak 2^-k a step.
"""

from collections.abc import Mapping

from mep_neuro.chip.profile import ChipProfile
from mep_neuro.chip.quantized import Quantized as Quantized
from mep_neuro.chip.ranges import (
    check_exponent,
    check_finite,
    check_parameters,
    check_sums,
    check_units,
    dendrite_limit,
    fitting_exponent,
    largest_message,
    row_sums,
    sum_limit,
)
from mep_neuro.chip.rows import first_rows
from mep_neuro.chip.weights import WeightGrid, real_weights
from mep_neuro.simulation.network import Network


def quantize(
    network: Network,
    profile: ChipProfile,
    *,
    weight_bits: int | None = None,
    state_bits: int = 8,
    leak_shift: int = 2,
    threshold: int = 1,
    message_max: int | None = None,
    weight_exponent: int | None = None,
    inputs_on_chip: bool = False,
) -> Quantized:
    """Round a network to the integers of a chip.

    Weights are rounded to the nearest step of the grid (even integers at 8 bits; 2^(9 - bits) at fewer),
    so that |W - weight 2^-E| is at most half a step: 2^-E at 8 bits. Where all weights between two
    populations are small, the synapses' own exponent makes the step finer, down to 1. Feedback weights are
    g W^T rounded once, on the same scale; with g = 1 the two directions are equal integers. E is the
    largest exponent at which all weights fit, the value 1 fits the membrane with a bit to spare (P <= 22
    at 24 bits) and no row can overflow the sum: sum |weight| 2^B < 2^23.

    What arrives in one step must fit the dendrite (16 bits), whatever the input: messages are limited
    to the largest at which max_row sum |weight| message_max < 2^15. It makes a network settle in more
    steps, to the same state: on the digits in 81 instead of 58, with 19 messages a unit instead of 8.

    Args:
        network: The float network.
        profile: The chip.
        weight_bits: Bits of a weight, sign included; the chip's without.
        state_bits: B: rates are multiples of 2^-B.
        leak_shift: k: each step forgets 2^-k of the membrane.
        threshold: Smallest message that is sent, in steps of the state.
        message_max: Largest message that is sent, in steps of the state; the largest that cannot overflow
            a dendrite without.
        weight_exponent: E, instead of the rule above.
        inputs_on_chip: Whether the input population and its weights are on the chip as well.

    Raises:
        UnsupportedError: A settling population has units that EPSigmaDelta cannot express.
        ChipRangeError: A number does not fit the chip; nothing is clipped.
    """
    check_units(network, profile)
    weight_bits = profile.number("weight_bits") if weight_bits is None else weight_bits
    check_parameters(profile, weight_bits, state_bits, leak_shift, threshold, message_max)
    check_finite(network)
    offsets = first_rows(network, inputs_on_chip=inputs_on_chip)
    names, starts = tuple(offsets), list(offsets.values())
    grid = WeightGrid(real_weights(network, inputs_on_chip=inputs_on_chip), starts, profile, weight_bits)
    room = profile.number("register_bits") - 2 - state_bits - leak_shift
    limited_by = "caller"
    if weight_exponent is None:
        bounds = {"sum": sum_limit(profile) >> state_bits, "dendrite": dendrite_limit(profile) // threshold}
        weight_exponent, limited_by = _largest_exponent(grid, room, bounds)
    check_exponent(network, grid.largest, weight_exponent, leak_shift, grid.high, room, profile)
    weight = grid.rounded(2.0**weight_exponent)
    check_sums(weight, names, starts, state_bits, profile)
    most = largest_message(weight, names, starts, profile, threshold if message_max is None else message_max)
    return Quantized(
        network=network,
        profile=profile,
        weight_bits=weight_bits,
        state_bits=state_bits,
        leak_shift=leak_shift,
        weight_exponent=weight_exponent,
        threshold=threshold,
        message_max=min(most, 1 << state_bits) if message_max is None else message_max,
        names=names,
        offsets=offsets,
        weight=weight,
        synapse_exponents=grid.exponents(weight, 2.0**weight_exponent),
        limited_by=limited_by,
    )


def _largest_exponent(grid: WeightGrid, room: int, bounds: Mapping[str, int]) -> tuple[int, str]:
    """The rule of `quantize`, and what it ran into; `bounds` are those of the |weights| into a unit."""
    if grid.largest == 0.0:
        return room, "membrane"
    fit = fitting_exponent(grid.largest, grid.high)
    exponent, limited_by = (fit, "weight") if fit <= room else (room, "membrane")
    name = min(bounds, key=lambda each: bounds[each])
    while int(row_sums(grid.rounded(2.0**exponent)).max()) > bounds[name]:
        exponent, limited_by = exponent - 1, name
    return exponent, limited_by
