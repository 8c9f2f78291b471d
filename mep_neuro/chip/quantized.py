"""A network in the integers of a chip.

Scales: W = weight 2^-E, s = S 2^-B, v = V 2^-P with P = E + B + k, leak 2^-k a step.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from mep_neuro.chip.profile import ChipProfile
from mep_neuro.chip.rows import by_population, constant_currents
from mep_neuro.chip.weights import weight_grid
from mep_neuro.errors import ChipRangeError
from mep_neuro.neurons.sigma_delta import DECAY_BITS, SigmaDelta
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.stimulus import Stimulus

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Quantized:
    """A network in the integers of a chip: one merged population of EPSigmaDelta neurons.

    The clamped input is not on the chip: the host computes its currents and they enter as `bias`. It may be
    on the chip instead (`rows.constant_currents`). A softmax read-out is the host's.

    Attributes:
        network: The float network.
        profile: The chip.
        weight_bits: Bits of a weight.
        state_bits: B.
        leak_shift: k.
        weight_exponent: E, the scale of the membrane, one for all projections.
        threshold: Smallest message, in steps of the state.
        message_max: Largest message, in steps of the state.
        names: The populations on the chip, in the order of the rows: the settling ones, after the input
            where that is on the chip.
        offsets: First row of each.
        weight: Both directions of every projection between settling units, int32, rows post,
            columns pre, shape (size, size); weights that round to 0 are not stored. Nothing drives an
            input on the chip.
        synapse_exponents: Power of two of each stored weight, 0 or below: the synapse holds
            weight 2^-exponent and shifts what it adds; one for all weights between two populations, in
            the order of weight.data.
        limited_by: What fixed E: 'weight', 'membrane', 'sum' (of a row), 'dendrite', or 'caller'.
    """

    network: Network
    profile: ChipProfile
    weight_bits: int
    state_bits: int
    leak_shift: int
    weight_exponent: int
    threshold: int
    message_max: int
    names: tuple[str, ...]
    offsets: Mapping[str, int]
    weight: csr_matrix
    synapse_exponents: NDArray[np.int32]
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
        """Distance of two neighbouring weights that a synapse holds: 2 at 8 bits, 2^(9 - bits) at fewer."""
        return weight_grid(self.profile, self.weight_bits)[0]

    @property
    def weight_high(self) -> int:
        """Largest |weight| that fits: 254 at 8 bits."""
        return weight_grid(self.profile, self.weight_bits)[1]

    @property
    def weight_scale(self) -> float:
        """Integer weight of the weight 1."""
        return 2.0**self.weight_exponent

    @property
    def held(self) -> NDArray[np.int32]:
        """The stored weights as synapses hold them, in the order of weight.data."""
        found: NDArray[np.int32] = self.weight.data << -self.synapse_exponents
        return found

    @property
    def inputs_on_chip(self) -> bool:
        """Whether the input population is on the chip."""
        return self.network.input.name in self.offsets

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
            ChipRangeError: A current does not fit the bias register, or is not finite; or the input is on
                the chip and a rate of it is outside 0 to 1.
        """
        constant = constant_currents(
            self.network, stimulus, self.profile.name, inputs_on_chip=self.inputs_on_chip
        )
        limit = (1 << (self.profile.number("bias_bits") - 1)) - 1
        scale = 2.0 ** (self.P - self.leak_shift)
        parts = []
        for name in self.names:
            drive = constant[name] + (0.0 if nudge is None or name not in nudge else nudge[name])
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
        """States (..., size) as rates of each settling population, (..., n) each, float64."""
        return by_population(self.network, self.offsets, s / self.s_max)

    def membrane_rates(self, v: NDArray[np.integer]) -> dict[str, Array]:
        """The rates clip(v 2^-P, 0, 1) that membranes (..., size) ask for, before they are rounded to states.

        At rest a membrane holds its current W s + b to 2^-(P - k): a response to a nudge of less than one
        step of the state is still there, which the states have lost.
        """
        wanted = np.clip(np.ldexp(v.astype(np.float64), -self.P), 0.0, 1.0)
        return by_population(self.network, self.offsets, wanted)
