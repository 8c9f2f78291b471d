"""From a float network to a rate code of Lava's LIF neurons, with every range checked."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from mep_neuro.chip.lif.circuit import LifCircuit
from mep_neuro.chip.pairs import in_pairs
from mep_neuro.chip.profile import ChipProfile
from mep_neuro.chip.ranges import check_finite, check_units
from mep_neuro.chip.rows import by_population, constant_currents, first_rows
from mep_neuro.chip.weights import WeightGrid, real_weights
from mep_neuro.errors import ChipRangeError
from mep_neuro.neurons.lif_integer import ALIGN_BITS, DECAY_BITS, IntegerLif
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.stimulus import Stimulus

Array = NDArray[np.float64]
DRIVE_ROOM = 8.0  # biases of this size fit at least, unless the weights ask for a lower threshold


@dataclass(frozen=True, eq=False)
class LifBias:
    """Constant currents as Lava's LIF takes them: mantissa 2^exponent, shape (samples, size) each."""

    mantissa: NDArray[np.int32]
    exponent: NDArray[np.int32]

    @property
    def current(self) -> NDArray[np.int32]:
        """In membrane units."""
        return self.mantissa << self.exponent

    def of(self, rows: slice) -> "LifBias":
        """Those of some samples."""
        return LifBias(self.mantissa[rows], self.exponent[rows])


@dataclass(frozen=True, eq=False)
class QuantizedLif:
    """A network as one merged population of integrate-and-fire neurons that speak in rates.

    A unit of rate s spikes s / interval times a step. Reset to zero loses what the membrane had above
    its threshold, half a step of its current in the mean, so that the current of rate 1 is
    threshold / (interval - 1/2). Nothing in such a neuron holds its rate below 1. With `clamp` each
    unit is a pair: the second neuron gets the same current less 1 and speaks with the opposite sign,
    and relu(x) - relu(x - 1) is the clamp to [0, 1]; it takes twice the neurons, four times the synapses.
    The input is not on the chip: the host computes its currents, and they enter as biases. On the chip it is
    single neurons that nothing drives, as a clamped rate is never above 1.

    Attributes:
        network: The float network.
        profile: The chip.
        weight_bits: Bits of a weight.
        current_shift: The synaptic current forgets 2^-current_shift a step.
        interval: Steps between two spikes of a unit of rate 1.
        clamp: Whether settling units are pairs; the second neurons follow all first ones, in their order.
        names: The populations on the chip, in the order of the rows: the settling ones, after the input
            where that is on the chip.
        offsets: First row of each.
        circuit: The integers.
        synapse_exponents: Power of two of each stored weight, as of `Quantized`.
        limited_by: What fixed the scale: 'weight', 'sum' (of a row), 'threshold' or 'bias'.
    """

    network: Network
    profile: ChipProfile
    weight_bits: int
    current_shift: int
    interval: int
    clamp: bool
    names: tuple[str, ...]
    offsets: Mapping[str, int]
    circuit: LifCircuit
    synapse_exponents: NDArray[np.int32]
    limited_by: str

    @property
    def inputs(self) -> int:
        """Number of input units on the chip."""
        source = self.network.input
        return source.size if source.name in self.offsets else 0

    @property
    def size(self) -> int:
        """Number of units; with `clamp` each one that settles has a second neuron."""
        return (self.circuit.size + self.inputs) // 2 if self.clamp else self.circuit.size

    @property
    def weight(self) -> csr_matrix:
        """Weights between the neurons, int32, rows post, columns pre."""
        return self.circuit.weight

    @property
    def held(self) -> NDArray[np.int32]:
        """The stored weights as synapses hold them, in the order of weight.data."""
        found: NDArray[np.int32] = self.weight.data << -self.synapse_exponents
        return found

    @property
    def unit_current(self) -> float:
        """Membrane units of the current 1."""
        return self.circuit.neuron.threshold / (self.interval - 0.5)

    @property
    def weight_scale(self) -> float:
        """Integer weight of the weight 1."""
        return _scale(self.circuit.neuron.vth, self.current_shift, self.interval)

    def bias(self, stimulus: Stimulus) -> LifBias:
        """Constant currents, each with the smallest exponent that holds it; shape (samples, neurons).

        Raises:
            ChipRangeError: A current does not fit mantissa and exponent; or the input is on the chip and a
                rate of it is outside 0 to 1.
        """
        constant = constant_currents(
            self.network, stimulus, self.profile.name, inputs_on_chip=self.inputs > 0
        )
        drive = np.concatenate([constant[name] for name in self.names], axis=1)
        if self.clamp:
            drive = np.concatenate([drive, drive[:, self.inputs :] - 1.0], axis=1)
        wanted = drive * self.unit_current
        high = (1 << (self.profile.number("lif_bias_mantissa_bits") - 1)) - 1
        most = (1 << self.profile.number("lif_bias_exponent_bits")) - 1
        wrong = ~(np.abs(wanted) <= (high + 0.5) * 2.0**most)
        if wrong.any():
            sample, unit = np.argwhere(wrong)[0]
            raise ChipRangeError(
                f"bias: the current {drive[sample, unit]:.6g} into unit {unit} of sample {sample} exceeds "
                f"+-{high * 2.0**most / self.unit_current:.6g}, the LIF bias of {self.profile.name} "
                f"({high} at 2^{most}); scale the input down, or raise the interval"
            )
        exponent = np.zeros(wanted.shape, dtype=np.int32)
        while (beyond := np.abs(np.rint(wanted / 2.0**exponent)) > high).any():
            exponent += (beyond & (exponent < most)).astype(np.int32)
        return LifBias(np.rint(wanted / 2.0**exponent).astype(np.int32), exponent)

    def rates(self, counts: NDArray[np.integer], steps: int) -> dict[str, Array]:
        """Spikes (..., neurons) in so many steps as rates of each settling population, (..., n) each."""
        signed = np.asarray(counts, dtype=np.float64)
        if self.clamp:
            first, second = signed[..., : self.size].copy(), signed[..., self.size :]
            first[..., self.inputs :] -= second
            signed = first
        return by_population(self.network, self.offsets, signed * (self.interval / steps))


def quantize_lif(
    network: Network,
    profile: ChipProfile,
    *,
    weight_bits: int | None = None,
    current_shift: int = 4,
    interval: int = 64,
    clamp: bool = True,
    inputs_on_chip: bool = False,
) -> QuantizedLif:
    """Round a network to a rate code of LIF neurons.

    The membrane does not leak (dv = 0) and the synaptic current forgets 2^-current_shift a step
    (du = 2^(12 - current_shift) - 1). The threshold is the largest at which every weight fits the
    chip, no sum of weights into a unit passes its dendrite, and currents of 8 fit the bias.

    Args:
        network: The float network.
        profile: The chip.
        weight_bits: Bits of a weight, sign included; the chip's without.
        current_shift: How slow the synaptic current is; it averages over 2^current_shift steps.
        interval: Steps between two spikes of a unit of rate 1; more is finer and slower.
        clamp: Whether to hold rates below 1 by a second neuron for each settling unit.
        inputs_on_chip: Whether the input population and its weights are on the chip as well.

    Raises:
        UnsupportedError: A settling population has other units than hard_sigmoid.
        ChipRangeError: A number does not fit the chip; nothing is clipped.
    """
    check_units(network, profile, "lif")
    check_finite(network)
    weight_bits = profile.number("weight_bits") if weight_bits is None else weight_bits
    _check_parameters(profile, weight_bits, current_shift, interval)
    matrix = real_weights(network, inputs_on_chip=inputs_on_chip)
    offsets = first_rows(network, inputs_on_chip=inputs_on_chip)
    starts = list(offsets.values())
    if clamp:
        inputs, units = network.input.size if inputs_on_chip else 0, matrix.shape[0]
        matrix = in_pairs(matrix, inputs, second_sign=-1.0)
        starts += [units - inputs + offsets[p.name] for p in network.dynamic]
    grid = WeightGrid(matrix, starts, profile, weight_bits)
    vth, limited_by = _threshold(matrix, grid.high, current_shift, interval, profile)
    scale = _scale(vth, current_shift, interval)
    weight = grid.rounded(scale)
    du = (1 << (DECAY_BITS - current_shift)) - 1
    return QuantizedLif(
        network=network,
        profile=profile,
        weight_bits=weight_bits,
        current_shift=current_shift,
        interval=interval,
        clamp=clamp,
        names=tuple(offsets),
        offsets=offsets,
        circuit=LifCircuit(IntegerLif(du=du, dv=0, vth=vth), weight),
        synapse_exponents=grid.exponents(weight, scale),
        limited_by=limited_by,
    )


def _scale(vth: int, current_shift: int, interval: int) -> float:
    """One spike of weight w adds 64 w 2^current_shift to the membrane in all, and should add W threshold."""
    return vth * 2.0**-current_shift * interval / (interval - 0.5)


def _threshold(
    matrix: csr_matrix, high: int, current_shift: int, interval: int, profile: ChipProfile
) -> tuple[int, str]:
    """The rule of `quantize_lif`, and what it ran into."""
    largest = float(np.abs(matrix.data).max(initial=0.0))
    fullest = float(_row_sums(matrix).max(initial=0.0))
    dendrite = (1 << (profile.number("dendrite_bits") - 1)) - 1
    mantissa = (1 << (profile.number("lif_bias_mantissa_bits") - 1)) - 1
    bias = mantissa << ((1 << profile.number("lif_bias_exponent_bits")) - 1)
    one = _scale(1, current_shift, interval)
    limits = {
        "weight": high / (largest * one) if largest else np.inf,
        "sum": (dendrite - high) / (fullest * one) if fullest else np.inf,  # rounding adds a little
        "threshold": float((1 << profile.number("lif_threshold_bits")) - 1),
        "bias": bias * (interval - 0.5) / (DRIVE_ROOM * (1 << ALIGN_BITS)),
    }
    limited_by = min(limits, key=lambda name: limits[name])
    vth = int(limits[limited_by])
    if vth < interval:
        raise ChipRangeError(
            f"threshold: {vth} is all that weights up to {largest:.6g} leave ({limited_by}), below the "
            f"{interval} that a rate of 1 needs; lower the weights, or current_shift"
        )
    return vth, limited_by


def _row_sums(matrix: csr_matrix) -> Array:
    """Sum of |weight| into each unit, float64, shape (size,)."""
    sums: Array = np.asarray(abs(matrix).sum(axis=1), dtype=np.float64).ravel()
    return sums


def _check_parameters(profile: ChipProfile, weight_bits: int, current_shift: int, interval: int) -> None:
    ranges = {
        "weight_bits": (weight_bits, 2, profile.number("weight_bits")),
        "current_shift": (current_shift, 0, profile.number("decay_bits")),
        "interval": (interval, 2, 4096),
    }
    for name, (value, low, high) in ranges.items():
        if not low <= value <= high:
            raise ChipRangeError(
                f"{name}: {value} is outside {low} to {high} on {profile.name}; give a number between them"
            )
