"""What holds of a silent network: sums are exact, and every unit obeys its own rounded equation."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mep_neuro.chip.emulate import emulate, fixed_point_error
from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import quantize
from mep_neuro.simulation.build import build
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.reader import read_spec

LOIHI2 = read_profile("loihi2")
# A wide dendrite, so that messages may be long; at loihi2's 16 bits the longest is chosen for it.
WIDE = LOIHI2.model_copy(update={"dendrite_bits": LOIHI2.dendrite_bits.model_copy(update={"value": 24})})


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    gain=st.sampled_from([0.3, 1.0]),
    strength=st.floats(0.1, 3.0),
    state_bits=st.sampled_from([5, 7, 8, 10]),
    leak_shift=st.integers(1, 4),
    threshold=st.sampled_from([1, 1, 2, 4]),
    message_max=st.sampled_from([None, 127]),
)
def test_a_silent_network(seed, gain, strength, state_bits, leak_shift, threshold, message_max):
    dense = {"type": "dense"}
    weight = {"gain": strength}
    spec = {
        "name": "net",
        "populations": {
            "in": {"shape": [4], "role": "input"},
            "a": {"shape": [9], "bias": 0.3},
            "b": {"shape": [7], "bias": 0.1},
            "out": {"shape": [3], "role": "output"},
        },
        "projections": {
            "in_a": {"pre": "in", "post": "a", "connector": dense},
            "a_b": {"pre": "a", "post": "b", "connector": dense, "feedback_gain": gain, "weight": weight},
            "b_out": {"pre": "b", "post": "out", "connector": dense, "feedback_gain": gain, "weight": weight},
        },
    }
    network = build(read_spec(spec), seed % 2**63)
    q = quantize(
        network,
        LOIHI2 if message_max is None else WIDE,
        state_bits=state_bits,
        leak_shift=leak_shift,
        threshold=threshold,
        message_max=message_max,
    )
    stimulus = present(network, np.random.default_rng(seed).uniform(0, 1, (6, 4)))
    bias = q.bias(stimulus)
    done = emulate(q, bias, max_steps=2000)
    silent = done.settled
    assert not done.m[silent].any()
    expected = done.s[silent] @ q.weight.toarray().T
    np.testing.assert_array_equal(done.sigma[silent], expected)
    # At rest 2^k (sigma + bias) - 2^k < v <= 2^k (sigma + bias), in magnitude: 2^-E of a state step.
    # Rounding adds half a step, and the threshold what it keeps back.
    limit = threshold - 0.5 + 2.0**-q.weight_exponent
    assert (fixed_point_error(q, bias, done.s)[silent] <= limit).all()
    if threshold == 1 and q.weight_exponent >= 1:
        assert (fixed_point_error(q, bias, done.s)[silent] <= 1).all()
