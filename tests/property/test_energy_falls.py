"""While it settles by sweeps, a network's energy never rises."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mep_neuro.equilibrium.energy import energy
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase
from mep_neuro.simulation.build import build
from mep_neuro.simulation.coupling import coupled_map
from mep_neuro.topology.spec import NetworkSpec

HALF_SWEEPS = 12
ROUNDING = 1e-13  # of sums of some hundred terms, over their size


def layers(activation: str, gain: float, size: float, seed: int) -> EquilibriumNetwork:
    """6 inputs and three settling populations, with a projection that skips the one between."""
    neuron = {"neuron": "unit", "bias": 0.1}
    dense: dict[str, Any] = {"connector": {"type": "dense"}, "weight": {"gain": size}}
    return made(
        {
            "neurons": {"unit": {"activation": activation}},
            "populations": {
                "input": {"shape": [6], "role": "input"},
                "h1": {"shape": [5], **neuron},
                "h2": {"shape": [4], **neuron},
                "output": {"shape": [3], "role": "output", **neuron},
            },
            "projections": {
                "in": {"pre": "input", "post": "h1", "connector": {"type": "dense"}},
                "one": {"pre": "h1", "post": "h2", "feedback_gain": gain, **dense},
                "two": {"pre": "h2", "post": "output", "feedback_gain": gain, **dense},
                "skip": {"pre": "h1", "post": "output", "feedback_gain": gain * gain, **dense},
            },
        },
        seed,
    )


def cube(
    gain: float,
    size: float,
    seed: int,
    activation: str = "tanh",
    shape: tuple[int, int, int] = (3, 3, 3),
    **connector: Any,
) -> EquilibriumNetwork:
    return made(
        {
            "neurons": {"unit": {"activation": activation}},
            "populations": {
                "input": {"shape": [6], "role": "input"},
                "cube": {"shape": list(shape), "neuron": "unit", "bias": 0.1},
                "output": {"shape": [3], "role": "output", "activation": "softmax"},
            },
            "projections": {
                "in": {"pre": "input", "post": "cube[:, :, 0]", "connector": {"type": "dense"}},
                "lattice": {
                    "pre": "cube",
                    "post": "cube",
                    "connector": {"type": "lattice", **connector},
                    "feedback_gain": gain,
                    "weight": {"spectral_radius": size},
                },
                "out": {"pre": "cube[:, :, -1]", "post": "output", "connector": {"type": "dense"}},
            },
        },
        seed,
    )


def made(content: dict[str, Any], seed: int) -> EquilibriumNetwork:
    spec = NetworkSpec.model_validate({"name": "falling", **content})
    return EquilibriumNetwork(build(spec, seed), torch.float64)


def energies(model: EquilibriumNetwork, seed: int, solver: str = "sweeps") -> torch.Tensor:
    """After each half-sweep, shape (half-sweeps, samples); each is a run of its own, cut off there."""
    features = torch.from_numpy(np.random.default_rng(seed).normal(0.0, 1.5, (4, 6)))
    runs = [
        free_phase(model, features, tolerance=1e-300, max_steps=steps, solver=solver)
        for steps in range(1, HALF_SWEEPS + 1)
    ]
    return torch.stack([energy(model, run.point.states, run.drive) for run in runs])


def rise(values: torch.Tensor) -> float:
    """Largest rise from one half-sweep to the next, over the size of the energy."""
    return float((values.diff(dim=0) / values.abs().amax(0).clamp_min(1.0)).max())


seeds = st.integers(0, 2**31)
gains = st.sampled_from([1.0, 0.5, 0.1])


@settings(max_examples=25)
@given(st.sampled_from(["hard_sigmoid", "tanh", "sigmoid"]), gains, st.floats(0.1, 5.0), seeds)
def test_between_populations_for_any_weights(activation: str, gain: float, size: float, seed: int) -> None:
    assert rise(energies(layers(activation, gain, size, seed), seed)) < ROUNDING


@settings(max_examples=10)
@given(gains, st.floats(0.05, 0.6), seeds)
def test_of_relu_units_too(gain: float, size: float, seed: int) -> None:
    assert rise(energies(layers("relu", gain, size, seed), seed)) < ROUNDING


@st.composite
def lattices(draw: st.DrawFn) -> dict[str, Any]:
    radius = draw(st.integers(1, 2))
    periodic = draw(st.booleans())
    sides = st.integers(2 * radius + 1 if periodic else 1, 5)
    return {
        "shape": (draw(st.integers(2 * radius + 1, 5)), draw(sides), draw(sides)),
        "neighbours": draw(st.sampled_from([6, 18, 26])),
        "radius": radius,
        "periodic": periodic,
    }


@settings(max_examples=25, deadline=None)  # the first call compiles
@given(st.sampled_from(["hard_sigmoid", "tanh", "sigmoid"]), gains, st.floats(0.05, 8.0), lattices(), seeds)
@example("tanh", 1.0, 6.0, {}, 1)
def test_in_a_lattice_for_any_weights(
    activation: str, gain: float, size: float, lattice: dict[str, Any], seed: int
) -> None:
    gain = 1.0 if lattice.get("periodic") else gain  # around a ring only 1 has an energy
    model = cube(gain, size, seed, activation, **lattice)
    assert rise(energies(model, seed)) < ROUNDING


def with_all_units_at_once(model: EquilibriumNetwork) -> EquilibriumNetwork:
    model.system.lattices = [None] * len(model.system.lattices)
    return model


def inhibitory(size: float) -> EquilibriumNetwork:
    """All weights negative, and all units driven alike."""
    model = cube(1.0, 1.0, 0, "hard_sigmoid", (4, 4, 4))
    model.biases["cube"].fill_(0.9)
    model.weights["lattice"].copy_(-model.weights["lattice"].abs())
    model.weights_changed()
    for weight in (model.weights["lattice"], model.weights["in"]):
        weight.mul_(size / spectral_radius(model) if weight is model.weights["lattice"] else 0.05)
    model.weights_changed()
    return model


def spectral_radius(model: EquilibriumNetwork) -> float:
    return float(np.abs(np.linalg.eigvalsh(coupled_map(model.to_network()).toarray())).max())


def test_an_inhibitory_lattice_settles_though_all_units_at_once_go_to_and_fro() -> None:
    features = torch.from_numpy(np.random.default_rng(0).normal(0.0, 1.0, (4, 6)))
    model = inhibitory(1.86)
    assert spectral_radius(model) == pytest.approx(1.86)
    point = free_phase(model, features, tolerance=1e-6, max_steps=300).point
    assert bool(point.settled.all()), point.status
    at_once = free_phase(
        with_all_units_at_once(inhibitory(1.86)), features, tolerance=1e-6, max_steps=1000
    ).point
    assert not bool(at_once.settled.any())
    assert float(at_once.residual.min()) > 0.1


def test_it_does_fall() -> None:
    for model in (layers("tanh", 0.5, 0.6, 0), cube(0.5, 0.9, 0)):
        values = energies(model, 0)
        assert (values[-1] < values[0] - 1e-4).all()


def test_the_check_refuses_all_units_at_once() -> None:
    """With strong weights: a cycle, in which the energy goes up and down."""
    model = cube(1.0, 6.0, 1)
    assert float(np.linalg.eigvalsh(coupled_map(model.network).toarray()).min()) < -1.0
    assert rise(energies(with_all_units_at_once(model), 1)) > 1e-3
    assert rise(energies(cube(1.0, 6.0, 1), 1, "lean")) < ROUNDING


def test_the_energy_is_that_of_the_closed_form() -> None:
    """One hidden and one output unit: the integral of artanh, and every k."""
    model = layers("tanh", 0.5, 1.0, 0)
    states = {
        name: torch.full((1, n), 0.5, dtype=torch.float64)
        for name, n in (("h1", 5), ("h2", 4), ("output", 3))
    }
    drive = {name: torch.full_like(s, 0.2) for name, s in states.items()}
    unit = 0.5 * np.arctanh(0.5) + 0.5 * np.log(1 - 0.25) - 0.2 * 0.5
    units = unit * (4.0 * 5 + 2.0 * 4 + 3)  # k is 1 at the output, and 1/g more a layer before it
    one, two, skip = (float(model.weights[name].sum()) for name in ("one", "two", "skip"))
    wanted = units - 0.25 * (2.0 * one + two + skip)
    assert float(energy(model, states, drive)) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("model", [layers("tanh", 0.5, 0.4, 2), cube(0.3, 0.8, 2)], ids=["layers", "cube"])
def test_the_fixed_point_is_where_the_energy_is_flat(model: EquilibriumNetwork) -> None:
    features = torch.from_numpy(np.random.default_rng(2).normal(0.0, 0.4, (2, 6)))
    free = free_phase(model, features, tolerance=1e-13, max_steps=2000)
    step = 1e-5
    for name, state in free.point.states.items():
        for unit in range(state.shape[1]):
            moved = torch.zeros_like(state)
            moved[:, unit] = step
            up, down = (
                energy(model, {**free.point.states, name: state + sign * moved}, free.drive)
                for sign in (1.0, -1.0)
            )
            # Rounding 1e-16 of an energy near 1 over 2e-5, and h^2 of a third derivative near 10.
            assert float((up - down).abs().max() / (2 * step)) < 1e-8
