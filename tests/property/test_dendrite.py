"""No step of any run leaves the dendrite, whatever the input: messages are small enough for every sum."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mep_neuro.chip.emulate import emulate
from mep_neuro.chip.profile import ChipProfile, read_profile
from mep_neuro.chip.quantize import Quantized, quantize
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec

LIMIT = (1 << 15) - 1
LOIHI2 = read_profile("loihi2")
WIDE = LOIHI2.model_copy(update={"dendrite_bits": LOIHI2.dendrite_bits.model_copy(update={"value": 24})})


def layers(profile: ChipProfile, seed: int, width: int, gain: float, state_bits: int) -> Quantized:
    spec = {
        "name": "net",
        "populations": {
            "in": {"shape": [3], "role": "input"},
            "h": {"shape": [width]},
            "out": {"shape": [5], "role": "output"},
        },
        "projections": {
            "in_h": {"pre": "in", "post": "h", "connector": {"type": "dense"}},
            "h_out": {"pre": "h", "post": "out", "connector": {"type": "dense"}, "weight": {"gain": gain}},
        },
    }
    return quantize(build(read_spec(spec), seed), profile, state_bits=state_bits, leak_shift=1)


def largest_sum(q: Quantized, seed: int, steps: int) -> int:
    """Largest |sum| into a unit in one step, with inputs that drive every unit hard."""
    bias = np.random.default_rng(seed).choice([-1, 1], (4, q.size)) * (3 << (q.P - q.leak_shift))
    trace = emulate(q, bias, steps=steps, trace=True).trace
    assert trace is not None
    return int(np.abs(trace.m.astype(np.int64) @ q.weight.toarray().T.astype(np.int64)).max(initial=0))


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.integers(2, 150), st.floats(0.1, 4.0), st.sampled_from([5, 7, 8, 10]))
def test_what_arrives_in_one_step_fits(seed, width, gain, state_bits):
    q = layers(LOIHI2, seed, width, gain, state_bits)
    rows = np.abs(q.weight.toarray()).sum(axis=1).max()
    assert 1 <= q.message_max <= q.s_max
    assert rows * q.message_max <= LIMIT
    assert rows * (q.message_max + 1) > LIMIT or q.message_max == q.s_max
    assert largest_sum(q, seed, 40) <= LIMIT


def test_without_the_limit_a_step_leaves_the_dendrite():
    """The control: the same network with messages as long as they come."""
    assert largest_sum(layers(WIDE, 0, 150, 1.0, 8), 0, 40) > LIMIT
    assert largest_sum(layers(LOIHI2, 0, 150, 1.0, 8), 0, 40) <= LIMIT


def test_short_messages_lead_to_the_same_state():
    """On the way alone they differ; a network that contracts has one fixed point."""
    short, long = layers(LOIHI2, 1, 60, 0.3, 8), layers(WIDE, 1, 60, 0.3, 8)
    assert short.message_max < long.message_max == 256
    bias = np.random.default_rng(1).integers(0, 1 << (short.P - 2), (20, short.size), dtype=np.int64)
    ends = [emulate(q, bias) for q in (short, long)]
    assert all(end.settled.all() for end in ends)
    assert np.abs(ends[0].s - ends[1].s).max() <= 1  # each is within 1 step of its own rounded equation
    assert ends[0].steps.mean() > ends[1].steps.mean()
