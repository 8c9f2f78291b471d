"""Faults: none of one changes no integer, all of one leaves nothing, and some of it is what it says."""

import numpy as np
import pytest

from mep_neuro.chip.emulate import emulate
from mep_neuro.chip.faults import emulate_losing, stuck, with_drift, with_noise
from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import quantize
from mep_neuro.errors import ChipRangeError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.reader import read_spec

NETWORK = build(read_spec("xor"))
Q = quantize(NETWORK, read_profile("loihi2"))
BIAS = Q.bias(present(NETWORK, np.random.default_rng(0).random((20, 4))))
NONE = np.zeros(Q.size, dtype=bool)
WEIGHT = "projections.hidden_output.weight"


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("high", [False, True])
def test_no_stuck_unit_is_the_same_network(high):
    broken, bias = stuck(Q, BIAS, NONE, high=high)
    np.testing.assert_array_equal(bias, BIAS)
    assert (broken.weight != Q.weight).nnz == 0
    np.testing.assert_array_equal(emulate(broken, bias).s, emulate(Q, BIAS).s)


def test_stuck_units_stay_where_they_are_and_the_others_obey_the_network_with_them():
    units = NONE.copy()
    units[[1, 4]] = True
    for high, value in ((False, 0), (True, Q.s_max)):
        run = emulate(*stuck(Q, BIAS, units, high=high))
        assert run.settled.all()
        assert (run.s[:, units] == value).all()
        sums = run.s[:, ~units].astype(int), (run.s @ Q.weight.toarray().T + BIAS)[:, ~units]
        target = np.clip(np.ldexp(sums[1].astype(float), Q.leak_shift - Q.p), 0, Q.s_max)
        assert np.abs(target - sums[0]).max() <= 1
        if not high:
            assert not run.messages[:, units].any()
    assert (Q.weight.toarray()[1] != 0).any()  # the network itself was not changed


def test_without_loss_every_integer_is_the_emulation_s():
    own, expected = emulate_losing(Q, BIAS, 0.0, rng()), emulate(Q, BIAS)
    for name in ("v", "s", "sigma", "m", "messages", "steps", "settled"):
        np.testing.assert_array_equal(getattr(own, name), getattr(expected, name), err_msg=name)


def test_with_all_lost_every_unit_knows_its_own_bias_alone():
    run = emulate_losing(Q, BIAS, 1.0, rng())
    assert not run.sigma.any()
    np.testing.assert_allclose(
        run.s, np.clip(np.ldexp(BIAS.astype(float), Q.leak_shift - Q.p), 0, 256), atol=1
    )


def test_a_lost_message_stays_lost():
    run = emulate_losing(Q, BIAS, 0.2, rng())
    off = run.sigma - run.s @ Q.weight.toarray().T
    assert run.settled.all()
    assert 0.1 < np.mean(off != 0) < 1.0


@pytest.mark.parametrize("loss", [-0.1, 1.1, np.nan])
def test_what_is_no_probability_is_refused(loss):
    with pytest.raises(ChipRangeError, match=r"loss: .* is no probability; give a number from 0 to 1"):
        emulate_losing(Q, BIAS, loss, rng())


def test_noise_of_none_changes_no_weight():
    for name, array in with_noise(NETWORK, rng()).arrays().items():
        np.testing.assert_array_equal(array, NETWORK.arrays()[name])
    same = with_drift(NETWORK, rng(), ratio=1.0, exponent=0.05, spread=0.01)
    np.testing.assert_array_equal(same.arrays()[WEIGHT], NETWORK.arrays()[WEIGHT])


def test_noise_has_the_deviation_that_is_asked_for():
    big = build(read_spec("digits_mlp"))
    key = "projections.input_hidden.weight"
    weight = big.arrays()[key]
    relative = (with_noise(big, rng(), multiplicative=0.1).arrays()[key] - weight) / weight
    absolute = with_noise(big, rng(), additive=0.1).arrays()[key] - weight
    # 4096 draws: the deviation is known to 1.1 %, five of which are allowed
    assert relative.std() == pytest.approx(0.1, rel=0.055)
    assert absolute.std() == pytest.approx(0.1 * np.abs(weight).max(), rel=0.055)
    assert np.abs(np.corrcoef(absolute.ravel(), weight.ravel())[0, 1]) < 0.08


def test_drift_shrinks_weights_by_a_power_of_time():
    drifted = with_drift(NETWORK, rng(), ratio=1e4, exponent=0.05, spread=0.0).arrays()[WEIGHT]
    np.testing.assert_allclose(drifted, NETWORK.arrays()[WEIGHT] * 1e4**-0.05, rtol=1e-12)
