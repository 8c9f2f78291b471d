"""Nor does the energy rise in the nudged phases, of which attention asks for both fixed points apart.

A lattice beside self attention: its units, and the tokens, take turns in both phases.
"""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mep_neuro.equilibrium.energy import energy
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import Nudged, free_phase, nudged_phase
from mep_neuro.equilibrium.strength import force_of
from mep_neuro.simulation.build import build
from mep_neuro.topology.spec import NetworkSpec

STEPS = 8
ROUNDING = 1e-13  # of sums of some hundred terms, over their size
NEVER = 1e-300


def model(radius: float, gain: float, seed: int, solver: str = "sweeps") -> EquilibriumNetwork:
    """Tokens that attend to each other, and a cube that they drive."""
    dense: dict[str, Any] = {"connector": {"type": "dense"}}
    content = {
        "name": "nudged",
        "neurons": {"unit": {"activation": "tanh"}},
        "populations": {
            "input": {"shape": [6], "role": "input"},
            "tokens": {"shape": [3, 4], "neuron": "unit", "bias": 0.1},
            "cube": {"shape": [3, 3, 3], "neuron": "unit"},
            "output": {"shape": [3], "role": "output", "activation": "softmax"},
        },
        "projections": {
            "in": {"pre": "input", "post": "tokens", **dense},
            "attention": {
                "pre": "tokens",
                "post": "tokens",
                "connector": {"type": "attention", "heads": 1, "key_width": 2},
                "weight": {"gain": gain},
            },
            "on": {"pre": "tokens", "post": "cube[:, :, 0]", **dense},
            "lattice": {
                "pre": "cube",
                "post": "cube",
                "connector": {"type": "lattice"},
                "weight": {"spectral_radius": radius},
            },
            "out": {"pre": "cube[:, :, -1]", "post": "output", **dense},
        },
        "equilibrium": {"solver": solver, "tolerance": 1e-12, "max_steps": 1000},
    }
    return EquilibriumNetwork(build(NetworkSpec.model_validate(content), seed), torch.float64)


def nudged(made: EquilibriumNetwork, seed: int, tolerance: float, *steps: int) -> list[tuple[Tensor, Nudged]]:
    """The energy of the states at +beta and -beta, shape (8,), after so many steps."""
    features = torch.from_numpy(np.random.default_rng(seed).normal(0.0, 1.5, (4, 6)))
    free = free_phase(made, features, tolerance=tolerance, max_steps=3 if tolerance == NEVER else None)
    target = torch.eye(3, dtype=torch.float64)[[0, 1, 2, 0]]
    found = []
    for count in steps:
        end = nudged_phase(
            made, free, target, beta=0.5, phases="centered", tolerance=tolerance, max_steps=count
        )
        force, both = force_of(made, end.output_error), []
        for beta in (end.beta, -end.beta):
            states = {
                name: r.mean + beta * r.slope for name, r in end.responses.items() if r.slope is not None
            }
            drive = {name: d + beta * force.get(name, 0.0) for name, d in free.drive.items()}
            both.append(energy(made, states, drive))
        found.append((torch.cat(both), end))
    return found


def rise(made: EquilibriumNetwork, seed: int) -> float:
    """Largest rise from one step to the next, over the size of the energy."""
    values = torch.stack([value for value, _ in nudged(made, seed, NEVER, *range(1, STEPS + 1))])
    return float((values.diff(dim=0) / values.abs().amax(0).clamp_min(1.0)).max())


@settings(max_examples=15, deadline=None)  # the first call compiles
@given(
    radius=st.floats(0.1, 8.0),
    gain=st.floats(0.1, 10.0),
    seed=st.integers(0, 2**31),
    solver=st.sampled_from(["sweeps", "lean"]),
)
def test_for_any_weights(radius: float, gain: float, seed: int, solver: str) -> None:
    assert rise(model(radius, gain, seed, solver), seed) < ROUNDING


@pytest.mark.parametrize("what", ["lattices", "turns"])
def test_the_check_refuses_all_units_at_once(what: str) -> None:
    at_once = {"lattices": [None, None], "turns": [[slice(None)], [slice(None)]]}
    rises = []
    for seed in range(5):
        made = model(6.0, 20.0, seed)
        setattr(made.system, what, at_once[what])
        rises.append(rise(made, seed))
    assert max(rises) > 1e-3, rises


@pytest.mark.parametrize("solver", ["sweeps", "lean"])
def test_they_rest_where_all_units_at_once_do(solver: str) -> None:
    found = []
    for lattices in (True, False):
        made = model(0.5, 0.5, 0, solver)
        if not lattices:
            made.system.lattices = [None, None]
        ((value, end),) = nudged(made, 0, 1e-12, 1000)
        assert bool(end.point.settled.all()), end.point.status
        found.append(value)
    assert torch.allclose(*found, rtol=0.0, atol=1e-10)
