import numpy as np
import pytest

from mep_neuro.neurons.sigma_delta import SigmaDelta, SigmaDeltaState


def state(v=0, s=0, sigma=0, m=0) -> SigmaDeltaState:
    return SigmaDeltaState(*(np.array([x], dtype=np.int64) for x in (v, s, sigma, m)))


def step(neuron: SigmaDelta, before: SigmaDeltaState, arriving: int = 0, bias: int = 0) -> tuple[int, ...]:
    after = neuron.step(before, np.array([arriving]), np.array([bias]))
    return tuple(int(a[0]) for a in (after.v, after.s, after.sigma, after.m))


def test_the_decay_is_written_as_lava_writes_it():
    assert [SigmaDelta(8, k, 10).dv for k in (1, 2, 12)] == [2048, 1024, 1]


def test_the_leak_rounds_the_magnitude_down_on_both_sides():
    v = np.array([7, -7, 1, -1, 4, -4, 0])
    np.testing.assert_array_equal(SigmaDelta(8, 2, 10).leak(v), [5, -5, 0, 0, 3, -3, 0])


def test_the_target_rounds_half_up_and_clamps():
    neuron = SigmaDelta(4, 2, 3)  # 8 membrane units a state step, s_max 16
    v = np.array([3, 4, -4, -5, 11, 12, 8 * 16 + 3, 10_000])
    np.testing.assert_array_equal(neuron.target(v), [0, 1, 0, 0, 1, 2, 16, 16])


def test_messages_below_the_threshold_stay():
    neuron = SigmaDelta(8, 2, 1, threshold=3)
    assert step(neuron, state(), bias=4) == (4, 0, 0, 0)  # the state asks for 2
    assert step(neuron, state(), bias=6) == (6, 3, 0, 3)


def test_what_a_clipped_message_leaves_is_sent_later():
    neuron = SigmaDelta(8, 2, 1, message_max=5)
    first = neuron.step(state(), np.array([0]), np.array([24]))
    assert (first.s[0], first.m[0]) == (5, 5)  # the state asks for 12
    second = neuron.step(first, np.array([0]), np.array([6]))
    assert (second.v[0], second.s[0], second.m[0]) == (24, 10, 5)


def test_negative_messages_are_clipped_too():
    neuron = SigmaDelta(8, 2, 1, message_max=5)
    assert step(neuron, state(s=12)) == (0, 7, 0, -5)


def test_the_sum_wraps_as_two_s_complement():
    neuron = SigmaDelta(8, 2, 10)
    assert step(neuron, state(sigma=2**23 - 1), arriving=1)[2] == -(2**23)
    assert step(neuron, state(sigma=-(2**23)), arriving=-1)[2] == 2**23 - 1
    assert step(neuron, state(), arriving=5 * 2**24 + 3)[2] == 3


@pytest.mark.parametrize("sign", [1, -1])
def test_the_membrane_clips_on_both_sides(sign):
    neuron = SigmaDelta(8, 2, 10)
    assert step(neuron, state(v=sign * (2**23 - 1)), bias=sign * (2**23 - 1))[0] == sign * (2**23 - 1)


def test_a_step_does_not_change_its_input():
    before = state(v=100, s=3, sigma=7, m=1)
    SigmaDelta(8, 2, 1).step(before, np.array([5]), np.array([50]))
    assert [int(a[0]) for a in (before.v, before.s, before.sigma, before.m)] == [100, 3, 7, 1]
