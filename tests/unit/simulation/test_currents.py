"""The operator of all currents against matrices written out, and the residual against arithmetic."""

import numpy as np
import pytest

from mep_neuro.simulation.build import build
from mep_neuro.simulation.currents import currents, residual
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.spec import NetworkSpec

LAYERS = {
    "name": "layers",
    "neurons": {"unit": {"activation": "tanh"}},
    "populations": {
        "input": {"shape": [3], "role": "input"},
        "hidden": {"shape": [4], "neuron": "unit", "bias": 0.2},
        "output": {"shape": [2], "role": "output", "neuron": "unit"},
    },
    "projections": {
        "in": {"pre": "input", "post": "hidden", "connector": {"type": "dense"}},
        "out": {"pre": "hidden", "post": "output", "connector": {"type": "dense"}, "feedback_gain": 0.4},
    },
}


@pytest.fixture
def network() -> Network:
    return build(NetworkSpec.model_validate(LAYERS))


def test_the_feedback_is_gain_times_the_transpose(network: Network) -> None:
    weight = network.projections["out"].weight
    expected = np.zeros((6, 6))
    expected[4:, :4] = weight
    expected[:4, 4:] = 0.4 * weight.T
    assert np.array_equal(currents(network).recurrent.toarray(), expected)


def test_join_and_split_are_inverse_and_leave_others_out(network: Network) -> None:
    operator = currents(network)
    values = {"output": np.ones((5, 2)), "hidden": np.full((5, 4), 3.0), "input": np.zeros((5, 3))}
    back = operator.split(operator.join(values))
    assert list(back) == ["hidden", "output"]
    assert all(np.array_equal(back[name], values[name]) for name in back)


def test_the_residual_is_the_largest_distance_of_each_sample(network: Network) -> None:
    rng = np.random.default_rng(0)
    stimulus = present(network, rng.random((5, 3)))
    rates = {"hidden": rng.random((5, 4)), "output": rng.random((5, 2))}
    first, second = (network.projections[name].weight for name in ("in", "out"))
    hidden = np.tanh(stimulus.rates @ first.T + 0.2 + 0.4 * rates["output"] @ second)
    output = np.tanh(rates["hidden"] @ second.T)
    distances = np.hstack([rates["hidden"] - hidden, rates["output"] - output])
    expected = np.abs(distances).max(axis=1)
    assert residual(network, stimulus, rates) == pytest.approx(expected, abs=1e-15)  # rounding of sums


def test_one_population_without_projections_among_settling_units() -> None:
    spec = {**LAYERS, "populations": {k: v for k, v in LAYERS["populations"].items() if k != "hidden"}}
    spec["projections"] = {"in": {"pre": "input", "post": "output", "connector": {"type": "dense"}}}
    network = build(NetworkSpec.model_validate(spec))
    stimulus = present(network, np.ones((2, 3)))
    settled = {"output": np.tanh(stimulus.drive["output"])}
    assert currents(network).recurrent.nnz == 0
    assert np.array_equal(residual(network, stimulus, settled), np.zeros(2))
