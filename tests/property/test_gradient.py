"""The contrast tends to minus the gradient of the cost: as beta^2 if centered, as beta if one-sided."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase, nudged_phase
from mep_neuro.simulation.build import build
from mep_neuro.simulation.implicit import free_states, negative_gradient
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.readout import with_readout
from mep_neuro.topology.spec import NetworkSpec

Array = NDArray[np.float64]
BETAS = (0.2, 0.1, 0.05, 0.025)
SAMPLES = 6
REST = 1e-13  # rounding of sums of some tens of terms near 1


def layers(
    activation: str = "tanh", cost: str = "squared_error", gain: float = 0.5, bias: float = 0.0
) -> Network:
    """12 inputs, three hidden layers, 4 outputs; a softmax read-out with cross-entropy."""
    sizes = {"h1": 10, "h2": 9, "h3": 8}
    output: dict[str, Any] = {"shape": [4], "role": "output"}
    output |= {"activation": "softmax"} if cost == "cross_entropy" else {"neuron": "unit", "bias": bias}
    names = ["input", *sizes, "output"]
    projections: dict[str, Any] = {}
    for pre, post in pairwise(names):
        settles = pre != "input" and not (post == "output" and cost == "cross_entropy")
        projections[f"{pre}_{post}"] = {
            "pre": pre,
            "post": post,
            "connector": {"type": "dense"},
            "feedback_gain": gain if settles else 1.0,
            "weight": {"gain": 0.4 if settles else 1.0},
        }
    return network(
        {
            "neurons": {"unit": {"activation": activation}},
            "populations": {
                "input": {"shape": [12], "role": "input"},
                **{name: {"shape": [n], "neuron": "unit", "bias": bias} for name, n in sizes.items()},
                "output": output,
            },
            "projections": projections,
        },
        cost,
    )


def cube(gain: float = 0.5, cost: str = "cross_entropy") -> Network:
    """A 4x4x4 lattice fed on one face; a calibrated softmax read-out, or settling units, on the other."""
    soft = cost == "cross_entropy"
    output = {"activation": "softmax"} if soft else {"neuron": "unit"}
    read: dict[str, Any] = {"pre": "cube[:, :, -1]", "post": "output", "connector": {"type": "dense"}}
    read |= {"calibrate": {"samples": 8}} if soft else {"feedback_gain": gain, "weight": {"gain": 0.3}}
    return network(
        {
            "neurons": {"unit": {"activation": "tanh"}},
            "populations": {
                "input": {"shape": [12], "role": "input"},
                "cube": {"shape": [4, 4, 4], "neuron": "unit"},
                "output": {"shape": [4], "role": "output", **output},
            },
            "projections": {
                "face": {"pre": "input", "post": "cube[:, :, 0]", "connector": {"type": "dense"}},
                "lattice": {
                    "pre": "cube",
                    "post": "cube",
                    "connector": {"type": "lattice", "neighbours": 26},
                    "feedback_gain": gain,
                    "weight": {"spectral_radius": 0.6},
                },
                "read": read,
            },
        },
        cost,
    )


def network(content: Mapping[str, Any], cost: str) -> Network:
    equilibrium = {"nudge": {"cost": cost}, "tolerance": REST, "max_steps": 5000}
    spec = NetworkSpec.model_validate({"name": "checked", "equilibrium": equilibrium, **content})
    made = build(spec, seed=3)
    rng = np.random.default_rng(5)
    arrays = made.arrays()
    for name, array in arrays.items():
        if name.endswith(".bias"):
            arrays[name] = array + 0.1 * rng.standard_normal(array.shape)
        elif name.endswith(".gain"):
            arrays[name] = np.array([2.5])
        elif name.endswith(".offset"):
            arrays[name] = 0.1 * rng.standard_normal(array.shape)
    return made.with_arrays(arrays)


def batch(net: Network) -> tuple[Array, Array]:
    rng = np.random.default_rng(11)
    features = rng.uniform(0.0, 1.0, (SAMPLES, net.input.size))
    return features, np.eye(net.output.size)[np.arange(SAMPLES) % net.output.size]


def estimate(
    net: Network,
    beta: float,
    phases: str = "centered",
    solver: str = "sweeps",
    rows: slice | Array = slice(None),
) -> dict[str, Array]:
    """The contrast in float64."""
    equilibrium = net.spec.equilibrium.model_copy(update={"solver": solver, "tolerance": REST})
    net = replace(net, spec=net.spec.model_copy(update={"equilibrium": equilibrium}))
    model = EquilibriumNetwork(net, torch.float64)
    features, target = (torch.from_numpy(part[rows]) for part in batch(net))
    free = free_phase(model, features)
    nudged = nudged_phase(model, free, target, beta=beta, phases=phases)
    assert bool(free.point.settled.all())
    return {name: value.numpy() for name, value in contrast(model, free, nudged).items()}


def joined(values: Mapping[str, Array], names: list[str]) -> Array:
    return np.concatenate([values[name].ravel() for name in names])


def compared(got: Mapping[str, Array], wanted: Mapping[str, Array]) -> tuple[float, float]:
    """Cosine and relative error over all weights and biases side by side."""
    assert set(got) == set(wanted)
    a, b = joined(got, sorted(got)), joined(wanted, sorted(got))
    cosine = float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
    return cosine, float(np.linalg.norm(a - b) / np.linalg.norm(b))


def order(errors: list[float]) -> float:
    """Slope of log error against log beta."""
    return float(np.polyfit(np.log(BETAS), np.log(errors), 1)[0])


SMOOTH = {
    "layers, g 0.5, squared error": layers(),
    "layers, g 1, squared error": layers(gain=1.0),
    "layers, g 0.5, cross-entropy": layers(cost="cross_entropy"),
    "layers, g 1, cross-entropy": layers(cost="cross_entropy", gain=1.0),
    "cube, g 0.3, cross-entropy": cube(gain=0.3),
    "cube, g 1, cross-entropy": cube(gain=1.0),
    "cube, g 0.5, squared error": cube(cost="squared_error"),
}
smooth = pytest.mark.parametrize("net", SMOOTH.values(), ids=SMOOTH)


@pytest.mark.parametrize("name", ["layers, g 0.5, squared error", "cube, g 0.3, cross-entropy"])
def test_the_implicit_gradient_is_that_of_finite_differences(name: str) -> None:
    net = SMOOTH[name]
    features, target = batch(net)
    exact, step = negative_gradient(net, features, target), 1e-5
    rng = np.random.default_rng(0)
    for key, wanted in exact.items():
        for _ in range(3):
            place = tuple(int(rng.integers(n)) for n in wanted.shape)
            up, down = (mean_cost(net, key, place, sign * step, features, target) for sign in (1, -1))
            # Costs near 1 have a rounding of 1e-16, over 2e-5; the third derivative gives 1e-10.
            assert wanted[place] == pytest.approx((down - up) / (2 * step), abs=1e-9, rel=1e-7), key


def mean_cost(
    net: Network, key: str, place: tuple[int, ...], change: float, features: Array, target: Array
) -> float:
    arrays = {name: array.copy() for name, array in net.arrays().items()}
    arrays[key][place] += change
    moved = net.with_arrays(arrays)
    ends = np.cumsum([p.size for p in moved.dynamic])[:-1]
    states = np.split(free_states(moved, features), ends, axis=1)
    names = [p.name for p in moved.dynamic]
    output = with_readout(moved, dict(zip(names, states, strict=True)))[moved.output.name]
    if moved.spec.equilibrium.nudge.cost == "squared_error":
        return float(0.5 * ((output - target) ** 2).sum(1).mean())
    return float(-(target * np.log(output)).sum(1).mean())


@smooth
def test_centered_the_error_falls_as_beta_squared(net: Network) -> None:
    exact = negative_gradient(net, *batch(net))
    cosines, errors = zip(*(compared(estimate(net, beta), exact) for beta in BETAS), strict=True)
    assert min(cosines[1:]) > 0.9999  # from beta 0.1 down; at 0.2 it is 0.9995 and more
    assert min(cosines) > 0.999
    assert order(list(errors)) == pytest.approx(2.0, abs=0.1)


@smooth
def test_one_sided_the_error_falls_as_beta(net: Network) -> None:
    exact = negative_gradient(net, *batch(net))
    errors = [compared(estimate(net, beta, "one_sided"), exact)[1] for beta in BETAS]
    assert order(errors) == pytest.approx(1.0, abs=0.1)


@smooth
@pytest.mark.parametrize("phases", ["centered", "one_sided"])
def test_both_solvers_give_the_same_contrast(net: Network, phases: str) -> None:
    sweeps, synchronous = (estimate(net, 0.1, phases, solver) for solver in ("sweeps", "synchronous"))
    for name, value in sweeps.items():
        # Two rests at 1e-13, which one_sided divides by beta.
        assert np.abs(value - synchronous[name]).max() < 1e-10, name


def test_every_layer_has_the_gradient_for_itself() -> None:
    """Not only the sum: a layer far from the output is small beside the last one."""
    net = layers(gain=0.1)
    exact, got = negative_gradient(net, *batch(net)), estimate(net, 1e-3)
    for name, wanted in exact.items():
        assert compared({name: got[name]}, {name: wanted})[1] < 1e-5, name


def crosses(net: Network, beta: float) -> NDArray[np.bool_]:
    """Samples in which a unit has another slope at -beta or +beta than at rest, or rests at a kink."""
    model = EquilibriumNetwork(net, torch.float64)
    features, target = (torch.from_numpy(part) for part in batch(net))
    free = free_phase(model, features)
    crossing = np.zeros(SAMPLES, dtype=bool)
    for sign in (1.0, -1.0):
        nudged = nudged_phase(model, free, target, beta=sign * beta, phases="one_sided").point
        for name, rest in free.point.states.items():
            kinks = (0.0, 1.0) if net.populations[name].activation == "hard_sigmoid" else (0.0,)
            for kink in kinks:
                there = (rest == kink) != (nudged.states[name] == kink)
                crossing |= there.any(1).numpy()
    return crossing


@pytest.mark.parametrize("activation", ["hard_sigmoid", "relu"])
@pytest.mark.parametrize("gain", [0.5, 1.0])
def test_between_kinks_the_contrast_is_the_gradient(activation: str, gain: float) -> None:
    net, beta = layers(activation, gain=gain, bias=0.2), 0.01
    rows = np.flatnonzero(~crosses(net, beta))
    assert rows.size >= 3
    features, target = batch(net)
    exact = negative_gradient(net, features[rows], target[rows])
    assert any((np.abs(v) > 1e-6).any() for k, v in exact.items() if k == "projections.input_h1.weight")
    assert compared(estimate(net, beta, rows=rows), exact)[1] < 1e-10


def ignoring(net: Network, what: str) -> Network:
    """The network as a program with the fault would see it."""
    if what == "the energy weight":
        populations = {
            k: replace(p, energy_weight=np.ones(p.size), energy_exponent=0)
            for k, p in net.populations.items()
        }
        return replace(net, populations=populations)
    projections = {
        name: replace(p, feedback_gain=1.0, synapses=replace(p.synapses, gain=np.ones_like(p.synapses.gain)))
        for name, p in net.projections.items()
    }
    return replace(net, projections=projections)


@pytest.mark.parametrize("what", ["the energy weight", "the feedback gain"])
@pytest.mark.parametrize("net", [layers(), cube(gain=0.5)], ids=["layers", "cube"])
def test_the_check_refuses_a_contrast_that_ignores(what: str, net: Network) -> None:
    exact = negative_gradient(net, *batch(net))
    cosine, error = compared(estimate(ignoring(net, what), 0.025), exact)
    assert cosine < 0.9999
    assert error > 0.01
