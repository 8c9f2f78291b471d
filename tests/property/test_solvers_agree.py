"""Every solver reaches the same fixed point and stops each sample by itself."""

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mep_neuro.equilibrium.contrast import Contrast, contrast
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import Free, free_phase, nudged_phase
from mep_neuro.equilibrium.settle import SOLVERS
from mep_neuro.simulation.build import build
from mep_neuro.simulation.coupling import coupled_map, spectral_radius
from mep_neuro.simulation.implicit import free_states
from mep_neuro.topology.spec import Equilibrium, NetworkSpec

SAMPLES, INPUTS, RADIUS = 7, 12, 0.8
TIGHT = 1e-12
# An error is at most residual / (1 - radius) in the energy's norm; feedback gains weight units by up to 8.
CLOSE = 1e-10

every_solver = pytest.mark.parametrize("solver", sorted(SOLVERS))


def layers(activation: str, gain: float = 0.5, skip: bool = False) -> dict[str, Any]:
    """Three hidden layers and an output; `skip` adds a path from the first to the third."""
    names = ["input", "h1", "h2", "h3", "output"]
    ends = [*pairwise(names), *([("h1", "h3")] if skip else [])]
    return {
        "neurons": {"unit": {"activation": activation}},
        "populations": {
            "input": {"shape": [INPUTS], "role": "input"},
            **{name: {"shape": [9], "neuron": "unit", "bias": 0.2} for name in names[1:4]},
            "output": {"shape": [4], "role": "output", "neuron": "unit"},
        },
        "projections": {
            f"{pre}_{post}": {
                "pre": pre,
                "post": post,
                "connector": {"type": "dense"},
                "feedback_gain": 1.0 if pre == "input" or skip else gain,
            }
            for pre, post in ends
        },
    }


def cube(activation: str = "tanh") -> dict[str, Any]:
    """A lattice fed on one face; the opposite face drives four settling units."""
    dense = {"connector": {"type": "dense"}}
    return {
        "neurons": {"unit": {"activation": activation}},
        "populations": {
            "input": {"shape": [INPUTS], "role": "input"},
            "cube": {"shape": [3, 3, 3], "neuron": "unit"},
            "output": {"shape": [4], "role": "output", "neuron": "unit"},
        },
        "projections": {
            "face": {"pre": "input", "post": "cube[:, :, 0]", **dense},
            "lattice": {
                "pre": "cube",
                "post": "cube",
                "connector": {"type": "lattice"},
                "feedback_gain": 0.5,
            },
            "read": {"pre": "cube[:, :, -1]", "post": "output", **dense},
        },
    }


NETWORKS = {
    "tanh": layers("tanh"),
    "hard_sigmoid": layers("hard_sigmoid"),
    "relu": layers("relu"),
    "sigmoid": layers("sigmoid"),
    "linear": layers("linear"),
    "skip": layers("tanh", skip=True),
    "cube": cube(),
    "clamped cube": cube("hard_sigmoid"),
}


@cache  # a settle leaves the model as it was
def model_of(name: str, solver: str, bound: float | None = RADIUS, **settings: Any) -> EquilibriumNetwork:
    """A float64 model whose coupled map has the radius, and a file that says the bound."""
    spec = NetworkSpec.model_validate(
        {
            "name": "agree",
            "equilibrium": {"solver": solver, "tolerance": TIGHT, "max_steps": 3000, **settings},
            "consolidation": {} if bound is None else {"spectral_bound": bound},
            **NETWORKS[name],
        }
    )
    network = build(spec, seed=2)
    arrays, factor = network.arrays(), RADIUS / spectral_radius(coupled_map(network))
    for projection in network.projections.values():
        if projection.pre != "input":
            arrays[f"projections.{projection.name}.weight"] *= factor
    return EquilibriumNetwork(network.with_arrays(arrays), torch.float64)


def features() -> NDArray[np.float64]:
    """Samples of very different strength, so that they settle at different steps."""
    scale = np.logspace(-6, 0.3, SAMPLES)[:, None]
    return np.random.default_rng(1).uniform(-1.0, 1.0, (SAMPLES, INPUTS)) * scale


def settled(model: EquilibriumNetwork, x: NDArray[np.float64], **settings: Any) -> Free:
    free = free_phase(model, torch.from_numpy(x), **settings)
    assert bool(free.point.settled.all()), free.point.status
    return free


@cache
def reference(name: str) -> NDArray[np.float64]:
    return free_states(model_of(name, "sweeps").network, features())


@cache
def contrast_by(solver: str, name: str, phases: str) -> Contrast:
    x, target = torch.from_numpy(features()), torch.eye(4, dtype=torch.float64)[[0, 1, 2, 3, 0, 1, 2]]
    model = model_of(name, solver)
    free = free_phase(model, x)
    nudged = nudged_phase(model, free, target, phases=phases)
    assert bool(nudged.point.settled.all()), nudged.point.status
    return contrast(model, free, nudged)


@every_solver
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_the_free_fixed_point_is_that_of_the_numpy_reference(name: str, solver: str) -> None:
    model = model_of(name, solver)
    states = torch.cat(list(settled(model, features()).point.states.values()), dim=1)
    names = [p.name for p in model.network.dynamic]
    assert list(model.settling) == names
    assert np.abs(states.numpy() - reference(name)).max() < CLOSE


@every_solver
@pytest.mark.parametrize("phases", ["centered", "frozen", "one_sided"])
@pytest.mark.parametrize("name", ["tanh", "hard_sigmoid", "cube"])
def test_the_contrast_is_that_of_sweeps(name: str, phases: str, solver: str) -> None:
    """Nudged phases settle pairs, or half-differences; responses of layers far back are small."""
    wanted = contrast_by("sweeps", name, phases)
    for key, value in contrast_by(solver, name, phases).items():
        assert torch.allclose(value, wanted[key], rtol=0, atol=1e-9), key


@every_solver
@pytest.mark.parametrize("name", ["hard_sigmoid", "cube"])
def test_a_sample_settles_as_it_does_alone(name: str, solver: str) -> None:
    """States, steps and events of each sample are its own, whoever is beside it."""
    model = model_of(name, solver)
    together = settled(model, features(), tolerance=1e-6).point
    assert len(together.steps.unique()) > 1
    assert float(together.residual.max()) <= 1e-6
    for row in range(SAMPLES):
        alone = settled(model, features()[[row]], tolerance=1e-6).point
        assert int(alone.steps[0]) == int(together.steps[row])
        for population, state in alone.states.items():
            assert torch.allclose(state[0], together.states[population][row], rtol=0, atol=1e-12)
        if together.events is not None:
            assert alone.events is not None
            assert float(alone.events[0]) == float(together.events[row])


@every_solver
def test_a_fixed_number_of_steps_is_the_measured_one(solver: str) -> None:
    """What `free_steps` gives without a look at the residual."""
    fixed = free_phase(model_of("cube", solver, free_steps=9), torch.from_numpy(features())).point
    model = model_of("cube", solver)
    measured = free_phase(model, torch.from_numpy(features()), tolerance=1e-300, max_steps=9).point
    assert bool(fixed.residual.isnan().all())
    for name, state in fixed.states.items():
        assert torch.allclose(state, measured.states[name], rtol=0, atol=1e-14)


@every_solver
def test_the_start_of_a_settle_is_left_as_it_was(solver: str) -> None:
    model = model_of("tanh", solver)
    free = settled(model, features())
    before = {name: state.clone() for name, state in free.point.states.items()}
    nudged_phase(model, free, torch.ones(SAMPLES, 4, dtype=torch.float64), phases="one_sided", beta=0.5)
    assert all(torch.equal(state, before[name]) for name, state in free.point.states.items())


def test_a_file_may_name_every_solver_and_no_other() -> None:
    assert sorted(Equilibrium.model_fields["solver"].annotation.__args__) == sorted(SOLVERS)


@pytest.mark.parametrize("name", ["tanh", "cube"])
@pytest.mark.parametrize("solver", ["momentum", "anderson"])
def test_acceleration_takes_fewer_sweeps(name: str, solver: str) -> None:
    """A sweep updates each block once, as a plain sweep of `lean` does; at radius 0.8, a third is saved.

    In a lattice a fifth: each unit sees those before it already, in plain sweeps too.
    """
    x = features()[-1:]
    plain = int(settled(model_of(name, "lean"), x).point.steps[0])
    share = 0.8 if name == "cube" else 0.7
    assert int(settled(model_of(name, solver), x).point.steps[0]) < share * plain


def test_momentum_without_a_bound_is_plain_sweeps() -> None:
    x = features()
    plain, momentum = (settled(model_of("tanh", solver, None), x).point for solver in ("lean", "momentum"))
    assert plain.steps.tolist() == momentum.steps.tolist()
