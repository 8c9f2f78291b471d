"""The numpy reference run against closed forms and loops."""

import numpy as np
import pytest

from mep_neuro.simulation.build import build
from mep_neuro.simulation.currents import residual
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.reference import euler
from mep_neuro.simulation.stimulus import Stimulus, present
from mep_neuro.topology.spec import NetworkSpec

ROUNDING = 1e-14  # sums of a few terms near 1, over some hundred steps


def two_units(gain: float, activation: str = "hard_sigmoid") -> Network:
    """One hidden and one output unit: input 1 into hidden, weight 0.5 between them."""
    neurons = {"fast": {"activation": activation, "tau_mem": "4 ms"}, "slow": {"tau_mem": "10 ms"}}
    spec = NetworkSpec.model_validate(
        {
            "name": "two",
            "neurons": neurons,
            "populations": {
                "input": {"shape": [1], "role": "input"},
                "hidden": {"shape": [1], "neuron": "fast", "bias": 0.1},
                "output": {"shape": [1], "role": "output", "neuron": "slow"},
            },
            "projections": {
                "in": {"pre": "input", "post": "hidden", "connector": {"type": "dense"}},
                "out": {
                    "pre": "hidden",
                    "post": "output",
                    "connector": {"type": "dense"},
                    "feedback_gain": gain,
                },
            },
        }
    )
    network = build(spec)
    arrays = network.arrays()
    arrays["projections.in.weight"] = np.array([[0.3]])
    arrays["projections.out.weight"] = np.array([[0.5]])
    return network.with_arrays(arrays)


def test_a_unit_without_feedback_charges_as_the_closed_form() -> None:
    network = two_units(gain=1e-300)
    trace = euler(network, present(network, np.ones((1, 1))), 50, 1e-3)
    steps = np.arange(51)
    assert trace["hidden"][:, 0, 0] == pytest.approx(0.4 * (1 - (1 - 0.25) ** steps), abs=ROUNDING)


def test_two_units_follow_their_scalar_recursion() -> None:
    network = two_units(gain=0.6)
    trace = euler(network, present(network, np.ones((1, 1))), 200, 1e-3)
    hidden = output = 0.0
    for step in range(201):
        assert trace["hidden"][step, 0, 0] == pytest.approx(hidden, abs=ROUNDING)
        assert trace["output"][step, 0, 0] == pytest.approx(output, abs=ROUNDING)
        rates = min(max(hidden, 0.0), 1.0), min(max(output, 0.0), 1.0)
        hidden += 0.25 * (0.1 + 0.3 + 0.6 * 0.5 * rates[1] - hidden)
        output += 0.1 * (0.5 * rates[0] - output)


def test_two_units_end_at_the_solution_of_two_equations() -> None:
    network = two_units(gain=0.6)
    trace = euler(network, present(network, np.ones((1, 1))), 400, 1e-3)
    hidden = 0.4 / (1 - 0.6 * 0.5 * 0.5)  # h = 0.4 + 0.3 o, o = 0.5 h
    assert trace["hidden"][-1, 0, 0] == pytest.approx(hidden, abs=1e-12)  # 0.9^400 is 5e-19
    assert trace["output"][-1, 0, 0] == pytest.approx(0.5 * hidden, abs=1e-12)


def test_the_nudge_is_a_constant_current() -> None:
    network = two_units(gain=0.6)
    stimulus = present(network, np.ones((1, 1)))
    nudged = euler(network, stimulus, 30, 1e-3, nudge={"output": np.array([[0.2]])})
    driven = {**stimulus.drive, "output": stimulus.drive["output"] + 0.2}
    same = euler(network, Stimulus(stimulus.rates, driven), 30, 1e-3)
    assert np.array_equal(nudged["hidden"], same["hidden"])
    assert not np.allclose(nudged["hidden"], euler(network, stimulus, 30, 1e-3)["hidden"])


def test_a_run_goes_on_from_its_start() -> None:
    network = two_units(gain=0.6, activation="tanh")
    stimulus = present(network, np.array([[1.0], [-0.5]]))
    whole = euler(network, stimulus, 20, 1e-3)
    rest = euler(network, stimulus, 12, 1e-3, start={name: v[8] for name, v in whole.items()})
    assert all(np.array_equal(rest[name], whole[name][8:]) for name in whole)
    assert whole["hidden"].shape == (21, 2, 1)


def test_the_residual_falls_to_rounding() -> None:
    network = two_units(gain=0.6, activation="relu")
    stimulus = present(network, np.array([[1.0], [3.0]]))
    trace = euler(network, stimulus, 600, 1e-3)
    rates = {name: network.populations[name].rate(v[-1]) for name, v in trace.items()}
    assert residual(network, stimulus, rates).max() < ROUNDING
