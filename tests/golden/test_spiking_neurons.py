"""The spiking models in closed form: single neurons whose spikes can be worked out on paper."""

import numpy as np
import pytest

from mep_neuro.neurons.annealed_sigma_delta import AnnealedSigmaDelta
from mep_neuro.neurons.lif import Lif
from mep_neuro.neurons.sif import Sif
from mep_neuro.neurons.sigma_delta import GradedSigmaDelta, SigmaDelta
from mep_neuro.neurons.spiking import SpikingNeuron, SpikingState, triangular_window

MS = 1e-3


def follow(neuron: SpikingNeuron, drive: list[float], slots: int) -> list[SpikingState]:
    """Uncoupled neurons after each slot."""
    states, state = [], neuron.rest((len(drive),))
    for slot in range(slots):
        state = neuron.step(state, np.zeros(len(drive)), np.array(drive), slot)
        states.append(state)
    return states


@pytest.mark.parametrize("theta", [1.0, 0.5])
def test_sif_under_a_constant_current_counts_its_integral(theta):
    """From v = theta / 2 the spikes up to slot t are floor(t x / theta + 1/2): the rounded integral."""
    drive = [0.0, 1 / 16, 0.25, 0.375 * theta, 0.5, theta, 0.8125 * theta]
    spikes = np.cumsum([state.m for state in follow(Sif(dt=MS, v_threshold=theta), drive, 200)], axis=0)
    t = np.arange(1, 201)[:, None]
    expected = np.floor(t * np.minimum(np.array(drive), theta) / theta + 0.5)
    np.testing.assert_array_equal(spikes, expected)


def test_sif_saturates_at_a_spike_a_slot_and_stays_within_reach():
    states = follow(Sif(dt=MS), [3.0, -3.0], 50)
    assert all(state.m.tolist() == [1.0, 0.0] for state in states)
    assert states[-1].v.tolist() == [1.0, -1.0]  # v_high less a threshold; v_low
    after = Sif(dt=MS).step(states[-1], np.zeros(2), np.array([0.0, 1.0]), 50)
    assert (after.v.tolist(), after.m.tolist()) == ([0.0, 0.0], [1.0, 0.0])


def test_one_spike_makes_an_exponential_current_of_unit_area():
    neuron = Sif(dt=MS, tau_syn=4 * MS, v_threshold=1e9)  # never fires
    state, currents = neuron.rest((1,)), []
    for slot in range(200):
        state = neuron.step(state, np.array([1.0 if slot == 0 else 0.0]), np.zeros(1), slot)
        currents.append(float(state.i[0]))
    # 3190 / 4096 is the multiple of 2^-12 nearest to exp(-1/4); each slot cuts up to 2^-24
    # and keeps 0.78 of what it is off by in the next: at most 2^-24 / (1 - 0.78) in all.
    assert neuron.keep_syn == 3190 / 4096
    expected = (1 - 3190 / 4096) * (3190 / 4096) ** np.arange(200)
    np.testing.assert_allclose(currents, expected, atol=2**-24 / (1 - 3190 / 4096), rtol=0)
    assert sum(currents) == pytest.approx(1.0, abs=1e-5)
    assert currents[-1] == 0.0  # and it ends


@pytest.mark.parametrize(("current", "interval"), [(1.0, 1), (0.75, 2), (0.5, 2), (0.375, 3), (0.125, 8)])
def test_lif_without_leak_fires_every_ceil_threshold_over_current_slots(current, interval):
    """The staircase of the hard reset: 0.75 fires as 0.5 does."""
    states = follow(Lif(dt=MS, tau_mem=1e9), [current], 24)
    assert [i + 1 for i, state in enumerate(states) if state.m[0]] == list(range(interval, 25, interval))


def test_lif_leaks_towards_v_leak_and_resets_to_v_reset():
    neuron = Lif(dt=MS, tau_mem=10 * MS, v_threshold=1.0, v_reset=-0.5, v_leak=0.25)
    assert neuron.keep_mem == 3706 / 4096  # exp(-0.1)
    silent = follow(neuron, [0.0], 100)[-1]
    assert silent.v[0] == 0.25
    above = SpikingState(np.array([0.9]), np.zeros(1), np.zeros(1), np.zeros(1))
    fired = neuron.step(above, np.zeros(1), np.array([0.5]), 0)
    assert (fired.m[0], fired.v[0]) == (1.0, -0.5)
    # Below v_leak + (1 - keep) ^-1 current the threshold is never reached: the leak's dead zone.
    assert not any(state.m[0] for state in follow(neuron, [0.07], 400))  # 0.25 + 0.07 / 0.0952 < 1


@pytest.mark.parametrize("theta", [2.0**-8, 2.0**-3, 0.5])
def test_sigma_delta_rests_at_its_rounded_current(theta):
    drive = np.array([0.0, 0.1, 1 / 3, 0.77, 1.0, 1.9, -0.4])
    states = follow(GradedSigmaDelta(dt=MS, tau_mem=4 * MS, v_threshold=theta), drive.tolist(), 400)
    assert not states[-1].m.any()
    # Half a threshold of rounding; the leak rounds down by up to 2^-24 a slot, 4 slots' worth.
    assert np.abs(states[-1].s - np.clip(drive, 0, 1)).max() <= theta / 2 + 4 * 2.0**-24
    np.testing.assert_array_equal(np.sum([state.m for state in states], axis=0), states[-1].s)


@pytest.mark.parametrize("leak_shift", [1, 2, 3])
def test_sigma_delta_sends_the_messages_of_the_chip(leak_shift):
    """In units of 2^-P the float form is the integer form, register by register.

    B = 8 and E = 24 - B - k, so that the chip's membrane has P = E + B + k = 24 bits, as the grid.
    """
    bits = 8
    exponent = 24 - bits - leak_shift
    chip = SigmaDelta(bits, leak_shift, membrane_shift=24 - bits, register_bits=40)
    graded = GradedSigmaDelta(dt=MS, tau_mem=MS * 2**leak_shift, v_threshold=2.0**-bits)
    rng = np.random.default_rng(0)
    weight = rng.integers(-(2**exponent) // 4, 2**exponent // 4, (12, 12))
    bias = rng.integers(-(2 ** (exponent + bits)) // 2, 2 ** (exponent + bits), 12)
    integers, floats = chip.rest((12,)), graded.rest((12,))
    sent = 0
    for slot in range(300):
        integers = chip.step(integers, weight @ integers.m, bias)
        arriving = np.ldexp(weight.astype(float), -exponent) @ floats.m
        floats = graded.step(floats, arriving, np.ldexp(bias.astype(float), -exponent - bits), slot)
        np.testing.assert_array_equal(np.ldexp(floats.m, bits), integers.m)
        np.testing.assert_array_equal(np.ldexp(floats.v, 24), integers.v)
        np.testing.assert_array_equal(np.ldexp(floats.i, exponent + bits), integers.sigma)
        sent += np.count_nonzero(integers.m)
    assert sent > 50  # the comparison is not one of silence


def test_the_threshold_halves_every_eight_slots_down_to_the_finest_message():
    neuron = AnnealedSigmaDelta(dt=MS)
    assert [neuron.threshold(slot) for slot in (0, 7, 8, 16, 1000)] == [0.25, 0.25, 0.125, 0.0625, 2.0**-20]


def test_annealed_sigma_delta_sends_the_binary_digits_of_what_is_missing():
    """Without a membrane lag (tau_mem = dt), 0.6875 = 3/4 - 1/16 is said in two messages."""
    states = follow(AnnealedSigmaDelta(dt=MS, tau_mem=MS), [0.6875], 64)
    assert [(slot, state.m[0]) for slot, state in enumerate(states) if state.m[0]] == [
        (0, 0.75),
        (16, -0.0625),
    ]


def test_the_window_is_a_triangle_over_the_end():
    np.testing.assert_array_equal(triangular_window(10), [0, 0, 0, 0, 1, 2, 3, 3, 2, 1])
    np.testing.assert_array_equal(triangular_window(8), [0, 0, 0, 1, 2, 3, 2, 1])
    np.testing.assert_array_equal(triangular_window(1), [1])
