"""The solver `synchronous` is the numpy reference run, and so Brian2, step for step."""

import numpy as np
import pytest
import torch

from mep_neuro.backends.data.load import load_data
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.reference import euler
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.reader import read_spec

STEPS = 40
TOLERANCE = 1e-12  # float64 sums of up to 250 terms in another order, over 40 steps
FEATURES = load_data("digits").x_test[:7]


def network(name: str, dt: str = "1 ms") -> Network:
    mapping = read_spec(name).to_mapping()
    mapping["equilibrium"] |= {"dt": dt}
    return build(read_spec(mapping), seed=4)


def largest_difference(net: Network, reference: Network) -> list[float]:
    """Over all units and samples, after each step; each state is that of a run cut off there."""
    model = EquilibriumNetwork(net, torch.float64)
    features = torch.from_numpy(FEATURES)
    stimulus = present(reference, FEATURES)
    # Rates of 0 put the membranes at rest under the drive alone; the first step gives them their rates.
    trace = euler(reference, stimulus, STEPS, reference.spec.equilibrium.dt, start=stimulus.drive)
    differences = []
    for step in range(1, STEPS + 1):
        states = free_phase(
            model, features, solver="synchronous", tolerance=1e-300, max_steps=step
        ).point.states
        rates = {name: reference.populations[name].rate(trace[name][step - 1]) for name in states}
        differences.append(max(float(np.abs(states[n].numpy() - r).max()) for n, r in rates.items()))
    return differences


@pytest.mark.parametrize("name", ["digits_mlp", "digits_cube"])
def test_every_step_is_the_references(name: str) -> None:
    net = network(name)
    assert max(largest_difference(net, net)) < TOLERANCE


@pytest.mark.parametrize("name", ["digits_mlp", "digits_cube"])
def test_the_comparison_refuses_another_time_step(name: str) -> None:
    assert max(largest_difference(network(name), network(name, "1.01 ms"))) > 1e-4


@pytest.mark.parametrize("name", ["digits_mlp", "digits_cube"])
def test_both_solvers_rest_at_one_point(name: str) -> None:
    model = EquilibriumNetwork(network(name), torch.float64)
    points = [
        free_phase(model, torch.from_numpy(FEATURES), solver=solver, tolerance=1e-12, max_steps=3000).point
        for solver in ("sweeps", "synchronous")
    ]
    assert all(bool(point.settled.all()) for point in points)
    for population, state in points[0].states.items():
        # Two residuals of 1e-12 over 1 - radius, at most 0.7 here.
        assert float((state - points[1].states[population]).abs().max()) < 1e-11
    assert int(points[0].steps.max()) < int(points[1].steps.max())
