from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from mep_neuro.chip.emulate import emulate
from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import Quantized, quantize
from mep_neuro.errors import ChipProfileError, ChipRangeError, UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.reader import read_spec
from mep_neuro.topology.spec import NetworkSpec

LOIHI2 = read_profile("loihi2")


def layered(*sizes: int, gain: float = 1.0, activation: str = "hard_sigmoid", output: str = "") -> Network:
    """in -> h1 -> ... -> out, dense."""
    names = ["in", *(f"h{i}" for i in range(1, len(sizes) - 1)), "out"]
    populations = {
        n: {"shape": [size], "activation": activation} for n, size in zip(names, sizes, strict=True)
    }
    populations["in"] = {"shape": [sizes[0]], "role": "input"}
    populations["out"] |= {"role": "output", "activation": output or activation}
    projections = {
        f"{a}_{b}": {"pre": a, "post": b, "connector": {"type": "dense"}, "feedback_gain": gain}
        for a, b in pairwise(names)
    }
    cost = {"equilibrium": {"nudge": {"cost": "cross_entropy"}}} if output == "softmax" else {}
    return build(read_spec({"name": "net", "populations": populations, "projections": projections} | cost))


def with_weight(network: Network, projection: str, weight: object) -> Network:
    arrays = network.arrays()
    shape = arrays[f"projections.{projection}.weight"].shape
    arrays[f"projections.{projection}.weight"] = np.broadcast_to(np.asarray(weight, float), shape).copy()
    return network.with_arrays(arrays)


def test_the_scales_are_those_of_the_mapping():
    q = quantize(with_weight(layered(3, 4, 2), "h1_out", 0.9), LOIHI2)
    assert (q.weight_exponent, q.limited_by) == (8, "weight")  # 0.9 2^8 = 230.4, 0.9 2^9 > 254
    assert (q.P, q.p, q.dv, q.s_max) == (18, 10, 1024, 256)
    assert (q.size, q.names, q.offsets) == (6, ("h1", "out"), {"h1": 0, "out": 4})


def test_one_matrix_holds_both_directions():
    w = np.array([[0.5, -0.25, 0.125, 0.9], [0.1, 0.2, -0.3, 0.0]])
    q = quantize(with_weight(layered(3, 4, 2), "h1_out", w), LOIHI2)
    full = q.weight.toarray()
    assert q.weight.dtype == np.int32
    np.testing.assert_array_equal(full[4:, :4], [[128, -64, 32, 230], [26, 52, -76, 0]])
    np.testing.assert_array_equal(full[:4, 4:], full[4:, :4].T)
    assert not full[:4, :4].any()
    assert not full[4:, 4:].any()


def test_feedback_is_the_scaled_transpose_rounded_once():
    q = quantize(with_weight(layered(3, 4, 2, gain=0.3), "h1_out", 0.9), LOIHI2)
    full = q.weight.toarray()
    assert set(full[4:, :4].ravel()) == {230}
    assert set(full[:4, 4:].ravel()) == {70}  # 0.3 * 0.9 * 256 = 69.12; from the rounded 230: 69 -> 68


@pytest.mark.parametrize(
    ("scaled", "expected"),
    [(3.0, 4), (-3.0, -4), (1.0, 0), (-1.0, 0), (5.0, 4), (1.001, 2), (2.9, 2), (-2.9, -2), (254, 254)],
)
def test_weights_go_to_the_nearest_even_integer(scaled, expected):
    """Ties go to the multiple of 4: without the drift of Lava's own floor (3 -> 2, -3 -> -4)."""
    w = np.full((1, 2), 200 / 256)
    w[0, 0] = scaled / 256
    q = quantize(with_weight(layered(2, 2, 1), "h1_out", w), LOIHI2, weight_exponent=8)
    assert q.weight.toarray()[2, 0] == expected


@pytest.mark.parametrize(("bits", "step", "high"), [(8, 2, 254), (6, 8, 248), (4, 32, 224), (2, 128, 128)])
def test_fewer_bits_are_a_coarser_grid(bits, step, high):
    q = quantize(layered(3, 30, 10), LOIHI2, weight_bits=bits)
    assert (q.weight_step, q.weight_high) == (step, high)
    assert not (q.weight.data % step).any()
    assert step < np.abs(q.weight.data).max() <= high or bits == 2
    # Lava's own truncation for mixed signs leaves the weights as they are.
    shift = 9 - bits
    np.testing.assert_array_equal((np.clip(q.weight.data, -256, 255) >> shift) << shift, q.weight.data)


def test_the_largest_weight_may_reach_the_end_of_the_range():
    q = quantize(with_weight(layered(3, 4, 2), "h1_out", 254 / 256), LOIHI2)
    assert (q.weight_exponent, q.weight.data.max()) == (8, 254)
    q = quantize(with_weight(layered(3, 4, 2), "h1_out", 255 / 256), LOIHI2)
    assert (q.weight_exponent, q.weight.data.max()) == (7, 128)


def test_tiny_weights_are_limited_by_the_membrane():
    q = quantize(with_weight(layered(3, 4, 2), "h1_out", 0.01), LOIHI2)
    assert (q.weight_exponent, q.P, q.limited_by) == (12, 22, "membrane")
    assert set(q.weight.data) == {41}  # 0.01 * 4096 = 40.96; the synapse holds 82, with the exponent -1
    assert (set(q.held), set(q.synapse_exponents)) == ({82}, {-1})


class TestExponents:
    """Weights between two populations that are all small are held on a finer scale."""

    network = with_weight(with_weight(layered(3, 4, 5, 2), "h1_h2", 0.9), "h2_out", 0.9 / 8)

    def test_small_weights_are_held_finer_and_the_large_ones_fix_the_scale(self):
        q = quantize(self.network, LOIHI2, weight_bits=4)
        full = q.weight.toarray()
        assert q.weight_exponent == 7  # 0.9 * 128 = 115 of 224
        assert set(full[4:9, :4].ravel()) == {128}  # 115 in steps of 32
        assert set(full[9:, 4:9].ravel()) == {16}  # 14.4 in steps of 32 / 2^3, where 0 was all it had
        assert set(q.held) == {128}  # 16 2^3
        assert set(q.synapse_exponents) == {0, -3}

    def test_no_bit_falls_off(self):
        for bits in range(2, 9):
            q = quantize(self.network, LOIHI2, weight_bits=bits)
            assert not (q.held % q.weight_step).any()
            np.testing.assert_array_equal(q.held >> -q.synapse_exponents, q.weight.data)
            assert np.abs(q.held).max() <= q.weight_high

    def test_both_directions_share_the_exponent(self):
        arrays = self.network.arrays()
        network = layered(3, 4, 5, 2, gain=0.1).with_arrays(arrays)
        q = quantize(network, LOIHI2, weight_bits=6)
        shifts = csr_matrix((-q.synapse_exponents, q.weight.indices, q.weight.indptr), shape=q.weight.shape)
        np.testing.assert_array_equal(shifts.toarray(), shifts.toarray().T)

    def test_a_chip_that_does_not_say_has_one_exponent(self):
        unknown = LOIHI2.weight_exponent_low.model_copy(update={"value": None})
        q = quantize(self.network, LOIHI2.model_copy(update={"weight_exponent_low": unknown}), weight_bits=4)
        assert not q.synapse_exponents.any()
        assert not q.weight.toarray()[9:, 4:9].any()

    def test_no_exponent_is_below_the_lowest_of_the_chip(self):
        low = LOIHI2.weight_exponent_low.model_copy(update={"value": -2})
        profile = LOIHI2.model_copy(update={"weight_exponent_low": low})
        assert quantize(self.network, profile, weight_bits=4).synapse_exponents.min() == -2


@pytest.mark.parametrize("weight", [0.0, 1e-300, 5e-324])
def test_weights_that_vanish_are_quantized_to_none(weight):
    q = quantize(with_weight(layered(3, 4, 2), "h1_out", weight), LOIHI2)
    assert q.weight.nnz == 0


def test_many_strong_weights_are_limited_by_the_sum():
    q = quantize(with_weight(layered(2, 300, 2), "h1_out", 0.9), LOIHI2)
    # 300 * 230 * 256 passes 2^23; 300 * 58 * 256 does not.
    assert (q.weight_exponent, q.limited_by) == (6, "sum")
    assert int(q.weight.toarray()[300].sum()) * 256 < 2**23


def test_parallel_projections_are_summed_before_rounding():
    spec = layered(2, 2, 1).spec.to_mapping()
    spec["projections"]["again"] = spec["projections"]["h1_out"]
    network = build(NetworkSpec.model_validate(spec))  # the reader refuses it; parts may still overlap
    network = with_weight(with_weight(network, "h1_out", 3.2 / 256), "again", 200.6 / 256)
    assert quantize(network, LOIHI2).weight.toarray()[2, 0] == 204  # 203.8; apart they round to 4 + 200


class TestBias:
    network = with_weight(layered(3, 4, 2), "h1_out", 0.9)  # bias unit 2^16

    def test_is_the_drive_in_membrane_units(self):
        q, stimulus = quantize(self.network, LOIHI2), present(self.network, np.full((2, 3), 0.25))
        bias = q.bias(stimulus)
        assert (bias.dtype, bias.shape) == (np.int32, (2, 6))
        np.testing.assert_array_equal(bias[:, :4], np.rint(stimulus.drive["h1"] * 2**16))

    def test_takes_a_nudge(self):
        q, stimulus = quantize(self.network, LOIHI2), present(self.network, np.full((1, 3), 0.25))
        nudge = {"out": np.array([[0.5, -0.25]])}
        np.testing.assert_array_equal(
            q.bias(stimulus, nudge) - q.bias(stimulus), [[0, 0, 0, 0, 2**15, -(2**14)]]
        )

    def test_beyond_its_register_is_refused(self):
        q, stimulus = quantize(self.network, LOIHI2), present(self.network, np.zeros((2, 3)))
        stimulus.drive["out"][1, 1] = -128.5
        with pytest.raises(
            ChipRangeError,
            match=r"population 'out': the current -128.5 into unit 1 of sample 1 exceeds \+-128, the bias "
            r"register of loihi2 \(24 bits at 2\^16\); scale the input down",
        ):
            q.bias(stimulus)

    def test_that_is_no_number_is_refused(self):
        q, stimulus = quantize(self.network, LOIHI2), present(self.network, np.zeros((1, 3)))
        stimulus.drive["h1"][0, 2] = np.nan
        with pytest.raises(ChipRangeError, match="population 'h1': the current nan into unit 2"):
            q.bias(stimulus)


def test_rates_are_split_by_population():
    q = quantize(layered(3, 4, 2), LOIHI2)
    rates = q.rates(np.arange(12).reshape(2, 6))
    np.testing.assert_array_equal(rates["h1"], np.array([[0, 1, 2, 3], [6, 7, 8, 9]]) / 256)
    np.testing.assert_array_equal(rates["out"], np.array([[4, 5], [10, 11]]) / 256)
    assert q.rates(np.zeros((7, 2, 6), int))["out"].shape == (7, 2, 2)


class TestDendrite:
    network = with_weight(layered(2, 300, 2), "h1_out", 0.1)  # 300 weights of 204 into each output unit

    def test_messages_are_the_longest_that_fit(self):
        q = quantize(self.network, LOIHI2, weight_exponent=8)
        assert int(q.weight[300].sum()) == 300 * 26
        assert q.message_max == 32767 // (300 * 26)

    def test_longer_messages_are_refused(self):
        with pytest.raises(
            ChipRangeError,
            match=r"population 'out': messages of 5 times the \|weights\| into unit 0, which sum to 7800, "
            r"can reach 39000 in one step, beyond the 32767 of a dendrite of loihi2; give at most 4, or",
        ):
            quantize(self.network, LOIHI2, weight_exponent=8, message_max=5)

    def test_the_threshold_must_fit_too(self):
        q = quantize(self.network, LOIHI2, threshold=6)
        assert (q.limited_by, q.message_max) == ("dendrite", 32767 // (300 * 13))
        assert q.weight_exponent == quantize(self.network, LOIHI2).weight_exponent - 3
        assert set(q.synapse_exponents) == {-1}

    def test_a_chip_that_does_not_say_sets_no_limit(self):
        unknown = LOIHI2.dendrite_bits.model_copy(update={"value": None})
        q = quantize(self.network, LOIHI2.model_copy(update={"dendrite_bits": unknown}), weight_exponent=8)
        assert q.message_max == q.s_max


class TestInputsOnChip:
    network = layered(3, 4, 2)
    q = quantize(network, LOIHI2, inputs_on_chip=True)

    def test_the_input_s_weights_go_one_way(self):
        assert (self.q.names, self.q.offsets) == (("in", "h1", "out"), {"in": 0, "h1": 3, "out": 7})
        full, scale = self.q.weight.toarray(), 2.0**self.q.weight_exponent
        assert not full[:3].any()
        half = self.q.weight_step / 2
        np.testing.assert_allclose(full[3:7, :3], self.network.projections["in_h1"].weight * scale, atol=half)
        np.testing.assert_array_equal(full[7:, 3:7], full[3:7, 7:].T)

    def test_the_input_settles_to_its_rates_and_the_network_to_nearly_the_same_state(self):
        stimulus = present(self.network, np.random.default_rng(0).random((5, 3)))
        done = emulate(self.q, self.q.bias(stimulus))
        assert done.settled.all()
        np.testing.assert_array_equal(done.s[:, :3], np.rint(stimulus.rates * 256))
        host = quantize(self.network, LOIHI2)
        other = host.rates(emulate(host, host.bias(stimulus)).s)
        own = self.q.rates(done.s)
        assert set(own) == set(other) == {"h1", "out"}
        for name in own:  # rounded input weights and rates: a few steps of 1/256
            np.testing.assert_allclose(own[name], other[name], atol=4 / 256)

    def test_the_biases_are_those_of_the_populations(self):
        stimulus = present(self.network, np.full((1, 3), 0.5))
        scale = 2.0 ** (self.q.P - self.q.leak_shift)
        expected = (
            [0.5] * 3 + list(self.network.populations["h1"].bias) + list(self.network.populations["out"].bias)
        )
        np.testing.assert_array_equal(self.q.bias(stimulus)[0], np.rint(np.array(expected) * scale))

    @pytest.mark.parametrize("value", [-0.1, 1.2])
    def test_a_rate_that_no_unit_has_is_refused(self, value):
        with pytest.raises(
            ChipRangeError,
            match=rf"population 'in': the rate {value} of unit 0 of sample 0 is outside 0 to 1, .* loihi2 "
            "has; scale the input, or leave it to the host",
        ):
            self.q.bias(present(self.network, np.full((1, 3), value)))


class TestRefusals:
    def test_units_without_an_integer_form_are_named(self):
        network = layered(3, 4, 5, 2, activation="tanh", output="hard_sigmoid")
        message = (
            "population 'h1': tanh units have no EPSigmaDelta form on loihi2; "
            "use activation hard_sigmoid, or run it on torch or brian2"
        )
        with pytest.raises(UnsupportedError) as caught:
            quantize(network, LOIHI2)
        assert str(caught.value).splitlines() == [message, message.replace("h1", "h2")]

    def test_the_cube_of_the_library_is_refused_by_name(self):
        with pytest.raises(UnsupportedError, match="population 'cube': tanh units have no EPSigmaDelta form"):
            quantize(build(read_spec("digits_cube")), LOIHI2)

    def test_a_softmax_read_out_is_the_host_s(self):
        q = quantize(layered(3, 4, 5, 2, output="softmax"), LOIHI2)
        assert q.names == ("h1", "h2")

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"weight_bits": 9}, "weight_bits: 9 is outside 2 to 8 on loihi2; give a number between them"),
            ({"weight_bits": 1}, "weight_bits: 1 is outside 2 to 8"),
            ({"state_bits": 0}, "state_bits: 0 is outside 1 to 20"),
            ({"state_bits": 21}, "state_bits: 21 is outside 1 to 20"),
            ({"leak_shift": 0}, "leak_shift: 0 is outside 1 to 12"),
            ({"leak_shift": 13}, "leak_shift: 13 is outside 1 to 12"),
            ({"threshold": 0}, "threshold: 0 is outside 1 to 256"),
            ({"threshold": 257}, "threshold: 257 is outside 1 to 256"),
            ({"message_max": 0}, "message_max: 0 is outside 1 to 8388607"),
            ({"message_max": 3, "threshold": 4}, "message_max: 3 is outside 4 to 8388607"),
        ],
    )
    def test_parameters_outside_the_chip_s_fields(self, parameters, message):
        with pytest.raises(ChipRangeError, match=message):
            quantize(layered(3, 4, 2), LOIHI2, **parameters)

    def test_an_exponent_too_large_for_the_membrane(self):
        network = with_weight(layered(3, 4, 2), "h1_out", 0.001)
        with pytest.raises(
            ChipRangeError,
            match=r"weight_exponent: 13 makes the membrane of rate 1 2\^23, beyond 2\^22 of the "
            "24-bit registers of loihi2; give at most 12",
        ):
            quantize(network, LOIHI2, weight_exponent=13)

    def test_an_exponent_too_large_for_a_weight(self):
        network = with_weight(layered(3, 4, 5, 2), "h1_h2", -3.0)
        with pytest.raises(
            ChipRangeError,
            match=r"projection 'h1_h2': the weight 3 is 384 at 2\^7, beyond the 254 of loihi2; give at most "
            "weight_exponent 6",
        ):
            quantize(network, LOIHI2, weight_exponent=7)

    def test_a_sum_that_could_leave_its_register(self):
        network = with_weight(layered(2, 300, 2), "h1_out", 0.9)
        with pytest.raises(
            ChipRangeError,
            match=r"population 'out': the \|weights\| into unit 0 sum to 69000, with 8-bit states to "
            "17664000, beyond the 8388607 of loihi2; lower weight_exponent or state_bits",
        ):
            quantize(network, LOIHI2, weight_exponent=8)

    def test_weights_too_large_for_the_state(self):
        network = with_weight(layered(3, 4, 2), "h1_out", 1000.0)
        with pytest.raises(
            ChipRangeError,
            match="'h1_out': the exponent -2 for weights up to 1000 is below the -1 that the state needs",
        ):
            quantize(network, LOIHI2)
        assert quantize(network, LOIHI2, leak_shift=3).p == 1

    def test_weights_that_are_no_numbers(self):
        network = with_weight(layered(3, 4, 2), "h1_out", np.nan)
        with pytest.raises(
            ChipRangeError, match=r"projection 'h1_out': 8 weights are not finite \(the first is nan\); train"
        ):
            quantize(network, LOIHI2)

    def test_a_chip_whose_registers_are_unknown(self):
        unknown = LOIHI2.model_copy(
            update={"register_bits": LOIHI2.register_bits.model_copy(update={"value": None})}
        )
        with pytest.raises(ChipProfileError, match="chip 'loihi2': register_bits is unknown"):
            quantize(layered(3, 4, 2), unknown)


def test_a_quantized_network_does_not_change():
    q = quantize(layered(3, 4, 2), LOIHI2)
    with pytest.raises(AttributeError, match="cannot assign"):
        q.weight_bits = 4  # type: ignore[misc]
    assert isinstance(replace(q, threshold=2), Quantized)
