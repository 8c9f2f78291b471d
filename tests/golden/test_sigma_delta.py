"""EPSigmaDelta in closed form: numbers that can be worked out on paper."""

import numpy as np
import pytest

from mep_neuro.neurons.sigma_delta import SigmaDelta


def follow(neuron: SigmaDelta, bias: list[int], steps: int) -> list[tuple[list[int], list[int], list[int]]]:
    """(v, s, m) of uncoupled neurons after each step."""
    state, seen = neuron.rest((len(bias),)), []
    for _ in range(steps):
        state = neuron.step(state, np.zeros(len(bias), dtype=np.int64), np.array(bias))
        seen.append((state.v.tolist(), state.s.tolist(), state.m.tolist()))
    return seen


def test_the_first_steps_of_one_neuron():
    # k = 2: three quarters stay. 4096 a step: 4096, 3072 + 4096, 5376 + 4096, 7104 + 4096; one state
    # step is 2^10, rounded half up: 4, 7, 9.25 -> 9, 10.9375 -> 11.
    seen = follow(SigmaDelta(state_bits=8, leak_shift=2, membrane_shift=10), [4096], 4)
    assert seen == [([4096], [4], [4]), ([7168], [7], [3]), ([9472], [9], [2]), ([11200], [11], [2])]


@pytest.mark.parametrize("leak_shift", [1, 2, 3, 5])
def test_the_rest_of_an_uncoupled_neuron(leak_shift):
    """The leak takes ceil(|v| / 2^k), so v rises until that is c: to 2^k (c - 1) + 1, the first such v."""
    neuron = SigmaDelta(state_bits=8, leak_shift=leak_shift, membrane_shift=leak_shift + 8)
    bias = [1, 2, 3, 77, 1000, 30_000, 65_535, -1, -2, -500, 0]
    v, s, m = follow(neuron, bias, 200 * 2**leak_shift // 4 + 200)[-1]
    expected = [int(np.sign(c)) * ((abs(c) - 1) * 2**leak_shift + 1) if c else 0 for c in bias]
    assert v == expected
    assert m == [0] * len(bias)
    assert s == [min(max((x + 2 ** (leak_shift + 7)) >> (leak_shift + 8), 0), 256) for x in expected]


def test_a_constant_current_is_read_back_as_its_rounded_rate():
    # P = E + B + k = 8 + 8 + 2; the bias is b 2^(E + B), and the rest of the state round(b 2^B).
    neuron = SigmaDelta(state_bits=8, leak_shift=2, membrane_shift=10)
    rates = [0.0, 0.1, 0.25, 1 / 3, 0.5, 0.77, 1.0, 1.9, -0.4]
    bias = [round(b * 2**16) for b in rates]
    s = follow(neuron, bias, 200)[-1][1]
    assert s == [min(max(round(b * 256), 0), 256) for b in rates]


def test_negative_bias_sends_nothing():
    assert all(m == [0] for _, _, m in follow(SigmaDelta(8, 2, 10), [-5000], 50))
