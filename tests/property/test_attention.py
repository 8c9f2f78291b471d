"""Attention under Equilibrium Propagation: the energy falls, and the contrast is the gradient.

Checked on small nets in float64: `cross` attends to the clamped input, `self` to its own tokens,
`both` to a second population that settles too (feedback gain 0.5).
"""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.cost import cost
from mep_neuro.equilibrium.energy import energy
from mep_neuro.equilibrium.learning.trainer import one_hot
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import Free, free_phase, nudged_phase
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec

LENGTH, TOKENS, WIDTH, SAMPLES = 4, 3, 5, 3
REST = 1e-12
KINDS = ("cross", "self", "both")


def model(kind: str, gain: float = 1.0, seed: int = 0, solver: str = "sweeps") -> EquilibriumNetwork:
    """Tokens of width 5, read out at each of 4 positions."""
    source = {"cross": "input", "self": "tokens", "both": "memory"}[kind]
    connector = {"type": "attention", "heads": 2, "key_width": 3}
    populations: dict[str, Any] = {
        "input": {"shape": [LENGTH, TOKENS + LENGTH], "role": "input"},
        "tokens": {"shape": [LENGTH, WIDTH], "neuron": "unit"},
        "output": {"shape": [LENGTH, TOKENS], "role": "output", "activation": "softmax"},
    }
    part = "input" if kind == "self" else f"input[:, {TOKENS}:]"
    projections: dict[str, Any] = {
        "embed": {"pre": part, "post": "tokens", "connector": {"type": "pointwise"}},
        "attention": {"pre": source, "post": "tokens", "connector": connector, "weight": {"gain": gain}},
        "read": {"pre": "tokens", "post": "output", "connector": {"type": "pointwise"}},
    }
    if kind == "both":
        populations["memory"] = {"shape": [LENGTH, WIDTH], "neuron": "unit"}
        projections["remember"] = {"pre": "input", "post": "memory", "connector": {"type": "pointwise"}}
        projections["attention"]["feedback_gain"] = 0.5
    mapping = {
        "name": "checked",
        "neurons": {"unit": {"activation": "tanh"}},
        "populations": populations,
        "projections": projections,
        "equilibrium": {
            "solver": solver,
            "dt": "2.5 ms",
            "tolerance": REST,
            "max_steps": 3000,
            "nudge": {"cost": "cross_entropy"},
        },
    }
    return EquilibriumNetwork(build(read_spec(mapping), seed), torch.float64)


def batch(made: EquilibriumNetwork, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random sequences with their positions, and random labels as targets."""
    rng = np.random.default_rng(seed)
    tokens = np.eye(TOKENS)[rng.integers(0, TOKENS, (SAMPLES, LENGTH))]
    positions = np.broadcast_to(np.eye(LENGTH), (SAMPLES, LENGTH, LENGTH))
    features = np.concatenate([tokens, positions], axis=2).reshape(SAMPLES, -1)
    labels = torch.from_numpy(rng.integers(0, TOKENS, (SAMPLES, LENGTH)))
    return torch.from_numpy(features), one_hot(made, labels)


def estimate(made: EquilibriumNetwork, beta: float, phases: str = "centered") -> dict[str, Tensor]:
    """The contrast, both phases at rest."""
    features, target = batch(made)
    free = free_phase(made, features)
    nudged = nudged_phase(made, free, target, beta=beta, phases=phases)
    assert bool((free.point.residual <= REST).all())
    # A half-difference is measured in units of the nudge, of which rounding leaves 1e-16 / 1e-3.
    assert float(nudged.point.residual.max()) < 1e-10
    return contrast(made, free, nudged)


def mean_cost(made: EquilibriumNetwork) -> float:
    """C at the free fixed point."""
    features, target = batch(made)
    output = made.readout(free_phase(made, features).point.states)
    return float(cost("cross_entropy", output, target, made.positions).mean())


def parameter(made: EquilibriumNetwork, key: str) -> Tensor:
    _, name, what = key.split(".")
    return made.biases[name] if what == "bias" else made.weights[name]


def slopes(made: EquilibriumNetwork) -> list[tuple[str, Tensor, float]]:
    """Minus the slope of the cost, by finite differences, in some random directions of each weight."""
    generator, step = torch.Generator().manual_seed(1), 1e-4
    found = []
    for key in estimate(made, 0.1):
        for _ in range(6 if "attention" in key else 2):
            value = parameter(made, key)
            direction = torch.randn(value.shape, generator=generator, dtype=torch.float64)
            direction /= direction.norm()
            costs = []
            for sign in (1.0, -2.0):
                value.add_(direction, alpha=sign * step)
                costs.append(mean_cost(made))
            value.add_(direction, alpha=step)
            found.append((key, direction, (costs[1] - costs[0]) / (2 * step)))
    return found


def compared(got: dict[str, Tensor], wanted: list[tuple[str, Tensor, float]]) -> tuple[float, float]:
    """Cosine and relative error against the slopes."""
    pairs = [(float((got[key] * direction).sum()), slope) for key, direction, slope in wanted]
    a, b = np.array(pairs).T
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)), float(
        np.linalg.norm(a - b) / np.linalg.norm(b)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_contrast_is_the_gradient_of_the_relaxed_cost(kind: str) -> None:
    made = model(kind)
    wanted = slopes(made)
    cosine, error = compared(estimate(made, 0.1), wanted)
    assert cosine > 0.999
    cosine, less = compared(estimate(made, 0.02), wanted)
    assert cosine > 0.99999
    assert less == pytest.approx(error / 25, rel=0.2)  # as beta squared


@pytest.mark.parametrize("kind", KINDS)
def test_one_sided_and_other_solvers_tend_to_the_same(kind: str) -> None:
    gain = 0.5  # with stronger weights self attention has several fixed points
    wanted = estimate(model(kind, gain), 1e-3)
    synchronous = estimate(model(kind, gain, solver="synchronous"), 1e-3)
    one_sided = estimate(model(kind, gain), 1e-3, "one_sided")
    for key, value in wanted.items():
        assert float((synchronous[key] - value).abs().max()) < 1e-8, key
        assert float((one_sided[key] - value).abs().max()) < 1e-2 * float(value.abs().max()), key


@pytest.mark.parametrize("kind", KINDS)
def test_looking_at_the_residual_changes_nothing(kind: str) -> None:
    made = model(kind)
    features, _ = batch(made)
    limits: dict[str, Any] = {"tolerance": 1e-300, "max_steps": 5}
    unseen = free_phase(made, features, **limits)
    seen = free_phase(made, features, **limits, watch=lambda rows, residual: None)
    for name, state in unseen.point.states.items():
        assert torch.equal(state, seen.point.states[name])


@pytest.mark.parametrize("kind", KINDS)
def test_samples_do_not_see_each_other(kind: str) -> None:
    made = model(kind, gain=2.0, solver="synchronous")
    features, _ = batch(made)
    together = free_phase(made, features, tolerance=1e-9).point
    assert len(set(together.steps.tolist())) > 1  # some left the work before others
    for row in range(SAMPLES):
        alone = free_phase(made, features[row : row + 1], tolerance=1e-9).point.states["tokens"]
        assert float((alone - together.states["tokens"][row]).abs().max()) < 1e-12


def steps(made: EquilibriumNetwork, count: int, seed: int) -> tuple[Free, list[dict[str, Tensor]]]:
    """States after 1, 2, 3, ... steps of the solver."""
    features, _ = batch(made, seed)
    points = [free_phase(made, features, tolerance=1e-300, max_steps=n) for n in range(1, count)]
    return points[0], [dict(free.point.states) for free in points]


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    solver=st.sampled_from(["sweeps", "lean"]),
    gain=st.floats(0.1, 20.0),
    seed=st.integers(0, 1000),
)
def test_sweeps_lower_the_energy_by_half_the_square_of_each_step(
    kind: str, solver: str, gain: float, seed: int
) -> None:
    """CCCP, whatever the weights: the energy of attention is concave in each population, or token."""
    made = model(kind, gain, seed, solver)
    free, path = steps(made, 10, seed)
    energies = [energy(made, states, free.drive, free.input_rates) for states in path]
    k = {name: torch.from_numpy(made.network.populations[name].k) for name in made.settling}
    for (old, new), (before, after) in zip(pairwise(energies), pairwise(path), strict=True):
        moved = sum((k[name] * (after[name] - before[name]).square()).sum(1) for name in k)
        assert bool((new + 0.5 * moved <= old + 1e-11 * old.abs().clamp_min(1.0)).all())


def all_tokens_at_once(made: EquilibriumNetwork) -> EquilibriumNetwork:
    made.system.turns = [[slice(None)] for _ in made.settling]
    return made


def test_all_tokens_of_self_attention_at_once_may_raise_the_energy() -> None:
    """So the check above can fail."""
    rises = []
    for seed in range(5):
        made = all_tokens_at_once(model("self", 20.0, seed))
        free, path = steps(made, 10, seed)
        energies = torch.stack([energy(made, states, free.drive) for states in path])
        rises.append(float((energies[1:] - energies[:-1]).max()))
    assert max(rises) > 1.0


@pytest.mark.parametrize("solver", ["sweeps", "lean"])
def test_taking_turns_self_attention_settles_where_all_tokens_at_once_do_not(solver: str) -> None:
    settled = {True: 0, False: 0}
    for seed in range(8):
        for turns in settled:
            made = model("self", 8.0, seed, solver)
            features, _ = batch(made, seed)
            point = free_phase(made if turns else all_tokens_at_once(made), features, tolerance=1e-9).point
            settled[turns] += int(point.settled.sum())
    assert settled[True] == 8 * SAMPLES
    assert settled[False] < 8 * SAMPLES
