"""Every quantized weight is within half a step of its float; equal weights stay equal."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import quantize
from mep_neuro.simulation.build import build
from mep_neuro.simulation.currents import currents
from mep_neuro.simulation.network import Network
from mep_neuro.topology.reader import read_spec

LOIHI2 = read_profile("loihi2")


def networks(gain: float, weights: list[float], shift: int) -> Network:
    """A 3-5-2 net with these weights times 2^shift."""
    spec = {
        "name": "net",
        "populations": {
            "in": {"shape": [3], "role": "input"},
            "h": {"shape": [5]},
            "out": {"shape": [2], "role": "output"},
        },
        "projections": {
            "in_h": {"pre": "in", "post": "h", "connector": {"type": "dense"}},
            "h_out": {"pre": "h", "post": "out", "connector": {"type": "dense"}, "feedback_gain": gain},
        },
    }
    network = build(read_spec(spec))
    arrays = network.arrays()
    arrays["projections.h_out.weight"] = np.ldexp(np.array(weights).reshape(2, 5), shift)
    return network.with_arrays(arrays)


values = st.lists(st.floats(-1, 1), min_size=10, max_size=10)


@given(st.floats(0.05, 1.0), values, st.integers(-20, 4), st.integers(2, 8), st.integers(1, 10))
def test_a_weight_is_at_most_half_a_step_away(gain, weights, shift, weight_bits, state_bits):
    network = networks(gain, weights, shift)
    q = quantize(network, LOIHI2, weight_bits=weight_bits, state_bits=state_bits, leak_shift=4)
    exact = currents(network).recurrent.toarray()
    held = q.weight.toarray()
    error = np.abs(exact - np.ldexp(held.astype(float), -q.weight_exponent))
    assert error.max() <= q.weight_step / 2 * 2.0**-q.weight_exponent * (1 + 1e-12)
    assert weight_bits < 8 or error.max() <= 2.0**-q.weight_exponent * (1 + 1e-12)
    # The ranges, whatever the numbers were.
    assert np.abs(held).max() <= q.weight_high <= 254
    assert not (q.held % q.weight_step).any()
    assert np.abs(q.held).max(initial=0) <= q.weight_high
    assert not (q.held & ((1 << -q.synapse_exponents) - 1)).any()  # what a synapse shifts out is 0
    assert q.P <= 22
    assert q.p >= 1
    assert np.abs(held).sum(axis=1).max() * q.s_max < 2**23
    # E is the largest exponent that the ranges allow.
    finer = np.ldexp(np.abs(exact).max(), q.weight_exponent + 1)
    assert finer > q.weight_high or q.P == 22 or q.limited_by == "sum"


@given(values, st.integers(-8, 4), st.integers(2, 8), st.sampled_from(["loihi2", "spinnaker2", "fpga_int8"]))
def test_symmetric_weights_stay_symmetric(weights, shift, weight_bits, chip):
    profile = read_profile(chip)
    held = quantize(networks(1.0, weights, shift), profile, weight_bits=weight_bits, leak_shift=4)
    np.testing.assert_array_equal(held.weight.toarray(), held.weight.toarray().T)
    # The chip's own grid: even integers on loihi2, all on the others, coarser at fewer bits.
    step = profile.number("weight_step") << (8 - weight_bits)
    assert held.weight_step == step
    assert not (held.held % step).any()
    assert profile.number("weight_low") <= held.held.min(initial=0)
    assert held.held.max(initial=0) <= profile.number("weight_high")


@given(values, st.integers(2, 8))
def test_turning_the_sign_of_all_weights_turns_the_integers(weights, weight_bits):
    plus = quantize(networks(0.7, weights, 0), LOIHI2, weight_bits=weight_bits).weight
    minus = quantize(networks(0.7, [-w for w in weights], 0), LOIHI2, weight_bits=weight_bits).weight
    np.testing.assert_array_equal(plus.toarray(), -minus.toarray())
