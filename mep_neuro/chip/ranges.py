"""Every range of a chip that a quantized network must keep; nothing is ever clipped.

Each check returns nothing, or raises with the value, the limit and what to do.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from mep_neuro.chip.profile import ChipProfile
from mep_neuro.errors import ChipRangeError, UnsupportedError
from mep_neuro.neurons.sigma_delta import DECAY_BITS
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.torch_only import refuse_torch_only

EMULATED_REGISTER_BITS = 28  # the emulator adds three registers in 32 bits


def sum_limit(profile: ChipProfile) -> int:
    """Largest number that a register of the neuron holds."""
    return (1 << (profile.number("register_bits") - 1)) - 1


def dendrite_limit(profile: ChipProfile) -> int:
    """Largest |sum| of what arrives at a unit in one step; no limit of its own where it is not known."""
    bits = profile.dendrite_bits.value
    return sum_limit(profile) if bits is None else (1 << (bits - 1)) - 1


def fitting_exponent(largest: float, high: int) -> int:
    """Largest exponent at which largest 2^exponent is at most `high`; largest is above 0."""
    exponent = int(np.floor(np.log2(high) - np.log2(largest)))
    exponent -= bool(np.ldexp(largest, exponent) > high)  # the logarithms are rounded
    return exponent + bool(np.ldexp(largest, exponent + 1) <= high)


def row_sums(weight: csr_matrix) -> NDArray[np.int64]:
    """Sum of |weight| into each unit, shape (size,)."""
    sums: NDArray[np.int64] = np.asarray(abs(weight.astype(np.int64)).sum(axis=1)).ravel()
    return sums


def check_units(network: Network, profile: ChipProfile, neuron: str = "sigma_delta") -> None:
    """Refuse attention, other spiking models, and settling units other than the clamp to [0, 1].

    Args:
        network: The network.
        profile: The chip.
        neuron: What its units become: 'sigma_delta', or 'lif', a rate code.
    """
    refuse_torch_only(network, profile.name)
    makes = "runs sigma_delta neurons" if neuron == "sigma_delta" else "codes rates in LIF neurons"
    others = [p for p in network.dynamic if p.model not in ("rate", neuron)]
    if others:
        raise UnsupportedError(
            "\n".join(
                f"population '{p.name}': the emulation of {profile.name} {makes}, not "
                f"{p.model}; write model: {neuron}, or add --neuron {neuron}"
                for p in others
            )
        )
    form = "EPSigmaDelta" if neuron == "sigma_delta" else "LIF"
    wrong = [p for p in network.dynamic if p.activation != "hard_sigmoid"]
    if wrong:
        raise UnsupportedError(
            "\n".join(
                f"population '{p.name}': {p.activation} units have no {form} form on {profile.name}; "
                "use activation hard_sigmoid, or run it on torch or brian2"
                for p in wrong
            )
        )


def check_parameters(
    profile: ChipProfile,
    weight_bits: int,
    state_bits: int,
    leak_shift: int,
    threshold: int,
    message_max: int | None,
) -> None:
    """Refuse widths, leaks and thresholds that the chip's fields do not hold."""
    register, payload = profile.number("register_bits"), profile.number("message_bits")
    widest = min(register - 4, payload - 2)
    ranges = {
        "register_bits": (register, 8, EMULATED_REGISTER_BITS),
        "weight_bits": (weight_bits, 2, profile.number("weight_bits")),
        "state_bits": (state_bits, 1, widest),
        "leak_shift": (leak_shift, 1, min(profile.number("decay_bits"), DECAY_BITS)),
        "threshold": (threshold, 1, 1 << min(max(state_bits, 0), widest)),
        "message_max": (
            threshold if message_max is None else message_max,
            threshold,
            (1 << (payload - 1)) - 1,
        ),
    }
    for name, (value, low, high) in ranges.items():
        if not low <= value <= high:
            raise ChipRangeError(
                f"{name}: {value} is outside {low} to {high} on {profile.name}; give a number between them"
            )


def check_finite(network: Network) -> None:
    """Refuse weights that are no numbers."""
    for projection in network.projections.values():
        wrong = ~np.isfinite(projection.weight)
        if wrong.any():
            raise ChipRangeError(
                f"projection '{projection.name}': {int(wrong.sum())} weights are not finite (the first is "
                f"{projection.weight[wrong][0]}); train it again with a lower learning rate"
            )


def check_exponent(
    network: Network,
    largest: float,
    exponent: int,
    leak_shift: int,
    high: int,
    room: int,
    profile: ChipProfile,
) -> None:
    """Refuse a scale 2^exponent at which a weight, the membrane or the state does not fit.

    Args:
        largest: Largest |weight| between settling units.
        high: Largest integer weight.
        room: Largest exponent at which the membrane holds the value 1 and as much again.
    """
    register = profile.number("register_bits")
    if exponent > room:
        raise ChipRangeError(
            f"weight_exponent: {exponent} makes the membrane of rate 1 2^{register - 2 + exponent - room}, "
            f"beyond 2^{register - 2} of the {register}-bit registers of {profile.name}; "
            f"give at most {room}, or lower state_bits or leak_shift"
        )
    if np.ldexp(largest, exponent) > high:
        raise ChipRangeError(
            f"projection '{_holder(network)}': the weight {largest:.6g} is {np.ldexp(largest, exponent):.6g} "
            f"at 2^{exponent}, beyond the {high} of {profile.name}; give at most weight_exponent "
            f"{fitting_exponent(largest, high)}"
        )
    if exponent + leak_shift < 1:
        raise ChipRangeError(
            f"projection '{_holder(network)}': the exponent {exponent} for weights up to {largest:.6g} "
            f"is below the {1 - leak_shift} that the state needs; lower the weights or raise leak_shift"
        )


def check_sums(
    weight: csr_matrix, names: tuple[str, ...], starts: list[int], state_bits: int, profile: ChipProfile
) -> None:
    """Refuse a unit whose sum of everything received could leave its register."""
    sums, limit = row_sums(weight), sum_limit(profile)
    unit = int(np.argmax(sums))
    reached = int(sums[unit]) << state_bits
    if reached > limit:
        at = int(np.searchsorted(starts, unit, side="right")) - 1
        raise ChipRangeError(
            f"population '{names[at]}': the |weights| into unit {unit - starts[at]} sum to {sums[unit]}, "
            f"with {state_bits}-bit states to {reached}, beyond the {limit} of {profile.name}; "
            "lower weight_exponent or state_bits"
        )


def largest_message(
    weight: csr_matrix, names: tuple[str, ...], starts: list[int], profile: ChipProfile, wanted: int
) -> int:
    """The largest message at which no step's sum can leave the dendrite of any unit.

    Raises:
        ChipRangeError: Messages of the wanted size could.
    """
    sums, limit = row_sums(weight), dendrite_limit(profile)
    unit = int(np.argmax(sums))
    most = min(limit // max(int(sums[unit]), 1), (1 << (profile.number("message_bits") - 1)) - 1)
    if wanted > most:
        at = int(np.searchsorted(starts, unit, side="right")) - 1
        do = f"give at most {most}, or lower weight_exponent" if most else "lower weight_exponent"
        raise ChipRangeError(
            f"population '{names[at]}': messages of {wanted} times the |weights| into unit "
            f"{unit - starts[at]}, which sum to {sums[unit]}, can reach {wanted * int(sums[unit])} in one "
            f"step, beyond the {limit} of a dendrite of {profile.name}; {do}"
        )
    return most


def _holder(network: Network) -> str:
    """The projection with the largest weight between settling units."""
    inner = {p.name for p in network.dynamic}
    held = {
        name: float(np.abs(p.weight).max())
        for name, p in network.projections.items()
        if p.pre in inner and p.post in inner
    }
    return max(held, key=lambda name: held[name])
