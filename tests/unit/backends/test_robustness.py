"""The curves start at the network itself and end at chance; between, they are what they say."""

import numpy as np
import pytest

from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.load import load
from mep_neuro.backends.registry import find
from mep_neuro.backends.robustness import FAULTS, robustness
from mep_neuro.backends.training import train
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.readout import classes
from mep_neuro.simulation.recording import RunOptions


@pytest.fixture(scope="module")
def trained():
    data = load_data("digits", seed=1)
    net = load("digits_mlp")
    train(net, data, epochs=3)
    return net.to_network(), data.x_test[:60], data.y_test[:60]


def test_none_of_a_fault_is_the_network_and_all_of_it_is_chance(trained):
    network, x, y = trained
    rates = find("torch")(network, x, RunOptions(tolerance=1e-6)).rates
    float_accuracy = np.mean(classes(network, rates) == y)
    faults = ["message loss", "dead units", "units stuck at 1", "multiplicative noise"]
    found = {
        (point.fault, point.level): point.accuracy
        for point in robustness(network, x, y, faults=faults, draws=1)
    }
    assert float_accuracy > 0.85
    for fault in faults:
        assert abs(found[fault, 0.0] - float_accuracy) <= 2 / 60  # rounding may turn a sample or two
        # Ten classes: 0.3 of 60 samples is five standard deviations above chance.
        assert found[fault, FAULTS[fault].levels[-1]] < 0.3, fault


def test_the_same_seed_draws_the_same(trained):
    network, x, y = trained
    once, again = (robustness(network, x[:20], y[:20], faults=["dead units"], draws=2) for _ in range(2))
    assert once == again
    assert {point.draws for point in once} == {1, 2}


def test_an_unknown_fault_is_met_with_the_nearest(trained):
    with pytest.raises(UnsupportedError, match="unknown fault 'dead unit'; did you mean 'dead units'"):
        robustness(*trained, faults=["dead unit"])
