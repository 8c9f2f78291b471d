"""From a float network to the integers of a chip: weights, biases, scales, and every range checked.

Scales: W = weight 2^-E, s = S 2^-B, v = V 2^-P with P = E + B + k, leak 2^-k a step.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from mep_neuro.chip.profile import ChipProfile
from mep_neuro.chip.ranges import (
    check_exponent,
    check_finite,
    check_parameters,
    check_sums,
    check_units,
    fitting_exponent,
    row_sums,
    sum_limit,
)
from mep_neuro.errors import ChipRangeError
from mep_neuro.neurons.sigma_delta import DECAY_BITS, SigmaDelta
from mep_neuro.simulation.currents import currents
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.stimulus import Stimulus

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Quantized:
    """A network in the integers of a chip: one merged population of EPSigmaDelta neurons.

    The clamped input is not on the chip: its currents are constant while the network settles, so the
    host computes them in float and they enter as `bias`. A softmax read-out is the host's as well.

    Attributes:
        network: The float network.
        profile: The chip.
        weight_bits: Bits of a weight.
        state_bits: B.
        leak_shift: k.
        weight_exponent: E, one for all projections.
        threshold: Smallest message, in steps of the state.
        message_max: Largest message, or None.
        names: The settling populations, in the order of the rows.
        offsets: First row of each.
        weight: Both directions of every projection between settling units, int32, rows post,
            columns pre, shape (size, size); weights that round to 0 are not stored.
        limited_by: What fixed E: 'weight', 'membrane', 'sum' (of a row), or 'caller'.
    """

    network: Network
    profile: ChipProfile
    weight_bits: int
    state_bits: int
    leak_shift: int
    weight_exponent: int
    threshold: int
    message_max: int | None
    names: tuple[str, ...]
    offsets: Mapping[str, int]
    weight: csr_matrix
    limited_by: str

    @property
    def size(self) -> int:
        """Number of settling units."""
        return int(self.weight.shape[0])

    @property
    def P(self) -> int:
        """Membrane bits of the value 1."""
        return self.weight_exponent + self.state_bits + self.leak_shift

    @property
    def p(self) -> int:
        """Membrane bits of one step of the state."""
        return self.P - self.state_bits

    @property
    def dv(self) -> int:
        """The leak as Lava writes it, out of 4096."""
        return (1 << DECAY_BITS) >> self.leak_shift

    @property
    def s_max(self) -> int:
        """The state that stands for the rate 1."""
        return 1 << self.state_bits

    @property
    def weight_step(self) -> int:
        """Distance of two neighbouring integer weights: 2 at 8 bits, 2^(9 - bits) at fewer."""
        return weight_grid(self.profile, self.weight_bits)[0]

    @property
    def weight_high(self) -> int:
        """Largest |weight| that fits: 254 at 8 bits."""
        return weight_grid(self.profile, self.weight_bits)[1]

    @property
    def register_bits(self) -> int:
        """Width of membrane and sum, sign included."""
        return self.profile.number("register_bits")

    @property
    def neuron(self) -> SigmaDelta:
        """The neuron of every unit."""
        return SigmaDelta(
            self.state_bits, self.leak_shift, self.p, self.threshold, self.message_max, self.register_bits
        )

    def bias(self, stimulus: Stimulus, nudge: Mapping[str, Array] | None = None) -> NDArray[np.int32]:
        """Constant currents in membrane units: round((drive + nudge) 2^(P-k)), shape (samples, size).

        Args:
            stimulus: What the network is shown.
            nudge: Further constant currents by population, shape (samples, n) each, dimensionless.

        Raises:
            ChipRangeError: A current does not fit the bias register, or is not finite.
        """
        limit = (1 << (self.profile.number("bias_bits") - 1)) - 1
        scale = 2.0 ** (self.P - self.leak_shift)
        parts = []
        for name in self.names:
            drive = stimulus.drive[name] + (0.0 if nudge is None or name not in nudge else nudge[name])
            scaled = np.rint(drive * scale)
            wrong = ~(np.abs(scaled) <= limit)
            if wrong.any():
                sample, unit = np.argwhere(wrong)[0]
                raise ChipRangeError(
                    f"population '{name}': the current {drive[sample, unit]:.6g} into unit {unit} of sample "
                    f"{sample} exceeds +-{limit / scale:.6g}, the bias register of {self.profile.name} "
                    f"({self.profile.number('bias_bits')} bits at 2^{self.P - self.leak_shift}); scale the "
                    "input down, or lower state_bits or weight_exponent"
                )
            parts.append(scaled.astype(np.int32))
        return np.concatenate(parts, axis=1)

    def rates(self, s: NDArray[np.integer]) -> dict[str, Array]:
        """States (..., size) as rates of each population, (..., n) each, float64."""
        ends = [self.offsets[name] for name in self.names[1:]]
        return dict(zip(self.names, np.split(s / self.s_max, ends, axis=-1), strict=True))


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
) -> Quantized:
    """Round a network to the integers of a chip.

    Weights are rounded to the nearest step of the grid (even integers at 8 bits; 2^(9 - bits) at fewer),
    so that |W - weight 2^-E| is at most half a step: 2^-E at 8 bits. Feedback weights are g W^T rounded
    once, on the same scale; with g = 1 the two directions are equal integers. E is the largest exponent
    at which all weights fit, the value 1 fits the membrane with a bit to spare (P <= 22 at 24 bits)
    and no row can overflow the sum: sum |weight| 2^B < 2^23.

    Args:
        network: The float network.
        profile: The chip.
        weight_bits: Bits of a weight, sign included; the chip's without.
        state_bits: B: rates are multiples of 2^-B.
        leak_shift: k: each step forgets 2^-k of the membrane.
        threshold: Smallest message that is sent, in steps of the state.
        message_max: Largest message that is sent, in steps of the state; None sets no limit.
        weight_exponent: E, instead of the rule above.

    Raises:
        UnsupportedError: A settling population has units that EPSigmaDelta cannot express.
        ChipRangeError: A number does not fit the chip; nothing is clipped.
    """
    check_units(network, profile)
    weight_bits = profile.number("weight_bits") if weight_bits is None else weight_bits
    check_parameters(profile, weight_bits, state_bits, leak_shift, threshold, message_max)
    check_finite(network)
    matrix = currents(network).recurrent
    largest = float(np.abs(matrix.data).max(initial=0.0))
    step, high = weight_grid(profile, weight_bits)
    room = profile.number("register_bits") - 2 - state_bits - leak_shift
    limited_by = "caller"
    if weight_exponent is None:
        weight_exponent, limited_by = _largest_exponent(
            matrix, step, high, room, state_bits, sum_limit(profile)
        )
    check_exponent(network, largest, weight_exponent, leak_shift, high, room, profile)
    weight = rounded(matrix, 2.0**weight_exponent, step)
    names = tuple(p.name for p in network.dynamic)
    starts = np.cumsum([0, *(p.size for p in network.dynamic)])[:-1].tolist()
    check_sums(weight, names, starts, state_bits, profile)
    return Quantized(
        network=network,
        profile=profile,
        weight_bits=weight_bits,
        state_bits=state_bits,
        leak_shift=leak_shift,
        weight_exponent=weight_exponent,
        threshold=threshold,
        message_max=message_max,
        names=names,
        offsets=dict(zip(names, starts, strict=True)),
        weight=weight,
        limited_by=limited_by,
    )


def weight_grid(profile: ChipProfile, weight_bits: int) -> tuple[int, int]:
    """Step and end of the integer weights; the same end on both sides of 0."""
    step = profile.number("weight_step") << (profile.number("weight_bits") - weight_bits)
    return step, min(profile.number("weight_high"), -profile.number("weight_low")) // step * step


def rounded(matrix: csr_matrix, scale: float, step: int) -> csr_matrix:
    """Weights at a scale, rounded to the nearest multiple of the step; int32, zeros left out."""
    data = (np.rint(matrix.data * scale / step) * step).astype(np.int32)
    weight = csr_matrix((data, matrix.indices.copy(), matrix.indptr.copy()), shape=matrix.shape)
    weight.eliminate_zeros()
    return weight


def _largest_exponent(
    matrix: csr_matrix, step: int, high: int, room: int, state_bits: int, limit: int
) -> tuple[int, str]:
    """The rule of `quantize`, and what it ran into."""
    largest = float(np.abs(matrix.data).max(initial=0.0))
    if largest == 0.0:
        return room, "membrane"
    fit = fitting_exponent(largest, high)
    exponent, limited_by = (fit, "weight") if fit <= room else (room, "membrane")
    while int(row_sums(rounded(matrix, 2.0**exponent, step)).max()) << state_bits > limit:
        exponent, limited_by = exponent - 1, "sum"
    return exponent, limited_by
