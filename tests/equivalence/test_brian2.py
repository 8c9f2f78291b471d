"""Brian2 against the numpy reference: every membrane at every step.

The two sum the same products in another order, in float64: a step adds errors near 1e-16 and the
dynamics contract, so 1e-12 leaves a wide margin and is far below any wrong weight or gain.
"""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import brian2 as b2
import numpy as np
import pytest
from numpy.typing import NDArray
from ruamel.yaml import YAML

from mep_neuro.converters.to_brian2.backend import convert, run
from mep_neuro.converters.to_brian2.converted import Converted
from mep_neuro.simulation.build import build
from mep_neuro.simulation.currents import residual
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.readout import with_readout
from mep_neuro.simulation.recording import RunOptions
from mep_neuro.simulation.reference import euler
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.spec import NetworkSpec

Array = NDArray[np.float64]
TOLERANCE = 1e-12
STEPS, SAMPLES = 120, 4


def library(name: str, gain: float, seed: int = 5) -> Network:
    """A network of the library with other gains, and with random biases in place of equal ones."""
    text = files("mep_neuro.networks").joinpath(f"{name}.yaml").read_text()
    mapping = YAML(typ="safe").load(text)
    inner = {"digits_mlp": "hidden_output", "digits_cube": "lattice"}[name]
    mapping["projections"][inner]["feedback_gain"] = gain
    return with_random_biases(build(NetworkSpec.model_validate(mapping)), seed)


def with_random_biases(network: Network, seed: int) -> Network:
    rng = np.random.default_rng(seed)
    arrays = {
        name: rng.normal(0.2, 0.3, array.shape) if name.endswith(".bias") else array
        for name, array in network.arrays().items()
    }
    return network.with_arrays(arrays)


def mixed() -> Network:
    """All activations, two time constants, parallel projections, parts and a periodic lattice."""
    dense, faces = {"type": "dense"}, {"type": "lattice", "neighbours": 6, "periodic": True}
    weight = {"init": "normal", "gain": 0.4}
    mapping = {
        "name": "mixed",
        "neurons": {
            "fast": {"activation": "relu", "tau_mem": "3 ms"},
            "slow": {"activation": "tanh", "tau_mem": "12 ms"},
        },
        "populations": {
            "input": {"shape": [6], "role": "input", "encoding": {"scale": 0.5}},
            "cube": {"shape": [3, 4, 3], "neuron": "slow"},
            "side": {"shape": [5], "neuron": "fast"},
            "output": {"shape": [2], "role": "output"},
        },
        "projections": {
            "in": {"pre": "input", "post": "cube[:, 0]", "connector": dense},
            "shortcut": {"pre": "input", "post": "output", "connector": dense},
            "lattice": {"pre": "cube", "post": "cube", "connector": faces, "weight": weight},
            "face": {"pre": "cube[:, :, -1]", "post": "side", "connector": dense, "weight": weight},
            "edge": {"pre": "cube[0, 0, :]", "post": "side[1:3]", "connector": dense, "weight": weight},
            "out": {"pre": "side", "post": "output", "connector": dense, "feedback_gain": 0.7},
        },
    }
    return with_random_biases(build(NetworkSpec.model_validate(mapping)), 6)


NETWORKS = {
    "digits_mlp": lambda: library("digits_mlp", 0.6),
    "digits_cube": lambda: library("digits_cube", 0.3),
    "mixed": mixed,
}


def features_for(network: Network, samples: int = SAMPLES) -> Array:
    return np.random.default_rng(7).random((samples, network.input.size))


def membranes(model: Converted, features: Array, steps: int = STEPS) -> dict[str, Array]:
    """Membranes before each step, by monitors that a user would add: (steps, samples, n)."""
    with model.making():
        monitors = {name: b2.StateMonitor(g, "v", record=True) for name, g in model.populations.items()}
        model.network.add(monitors.values())
    model.run(features, steps * model.dt)
    return {n: np.array(m.v).T.reshape(steps, model.samples, -1) for n, m in monitors.items()}


def deviation(ours: Mapping[str, Array], reference: Mapping[str, Array]) -> float:
    """Largest difference over units, samples and steps; both must hold the same."""
    assert set(ours) == set(reference)
    assert all(ours[name].shape == reference[name].shape for name in reference)
    return max(float(np.abs(ours[name] - reference[name]).max()) for name in reference)


def expected(network: Network, features: Array) -> dict[str, Array]:
    trace = euler(network, present(network, features), STEPS - 1, network.spec.equilibrium.dt)
    assert all(np.abs(v[-1]).max() > 0.1 for v in trace.values())  # something happens everywhere
    return trace


@pytest.mark.parametrize("name", NETWORKS)
def test_every_membrane_at_every_step(name: str) -> None:
    network = NETWORKS[name]()
    features = features_for(network)
    ours = membranes(convert(network, samples=SAMPLES), features)
    assert deviation(ours, expected(network, features)) <= TOLERANCE


@pytest.mark.slow
@pytest.mark.timeout(900)  # Cython compiles a dozen modules, 7 s of CPU each, the first time
@pytest.mark.parametrize("target", ["cython", "cpp_standalone"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_membrane_at_every_step_compiled(name: str, target: str) -> None:
    network = NETWORKS[name]()
    features = features_for(network)
    ours = membranes(convert(network, samples=SAMPLES, target=target), features)
    assert deviation(ours, expected(network, features)) <= TOLERANCE


@pytest.mark.parametrize("name", ["digits_mlp", "mixed"])
def test_dense_products_take_the_same_steps(name: str) -> None:
    network = NETWORKS[name]()
    features = features_for(network)
    ours = membranes(convert(network, samples=SAMPLES, connectivity="dense"), features)
    assert deviation(ours, expected(network, features)) <= TOLERANCE


def change_weight(model: Converted) -> None:
    synapses = next(iter(model.projections.values()))
    synapses.w[7] = synapses.w[7] + 1e-6


def change_gain(model: Converted) -> None:
    synapses = next(iter(model.projections.values()))
    synapses.g = np.asarray(synapses.g) * (1 + 1e-6)


def change_time_constant(model: Converted) -> None:
    group = next(iter(model.populations.values()))
    group.tau_mem = group.tau_mem * (1 + 1e-6)


@pytest.mark.parametrize("change", [change_weight, change_gain, change_time_constant])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_comparison_refuses_a_model_that_is_slightly_wrong(name: str, change: Any) -> None:
    network = NETWORKS[name]()
    features = features_for(network)
    model = convert(network, samples=SAMPLES)
    change(model)
    assert deviation(membranes(model, features), expected(network, features)) > 1e3 * TOLERANCE


def test_the_comparison_refuses_another_sample_order() -> None:
    network = NETWORKS["digits_mlp"]()
    features = features_for(network)
    ours = membranes(convert(network, samples=SAMPLES), features[::-1])
    assert deviation(ours, expected(network, features)) > 0.1


def test_a_preference_for_float32_does_not_reach_the_model() -> None:
    network = NETWORKS["digits_mlp"]()
    features = features_for(network)
    before = b2.prefs.core.default_float_dtype
    b2.prefs.core.default_float_dtype = np.float32
    try:
        ours = membranes(convert(network, samples=SAMPLES), features)
    finally:
        b2.prefs.core.default_float_dtype = before
    assert deviation(ours, expected(network, features)) <= TOLERANCE


@pytest.mark.parametrize("name", NETWORKS)
def test_the_trace_and_the_curve_are_those_of_the_reference(name: str) -> None:
    network = NETWORKS[name]()
    features = features_for(network)
    stimulus = present(network, features)
    recording = convert(network, samples=SAMPLES).run(features, 0.02, trace=True)
    reference = euler(network, stimulus, 20, network.spec.equilibrium.dt)
    rates = {n: network.populations[n].rate(v[1:]) for n, v in reference.items()}
    assert deviation(recording.trace, rates) <= TOLERANCE
    assert recording.residual_curve is not None
    for step, seen in enumerate(recording.residual_curve):
        now = {n: r[step] for n, r in rates.items()}
        assert seen == pytest.approx(residual(network, stimulus, now), abs=TOLERANCE)
    assert deviation(recording.rates, with_readout(network, now)) <= TOLERANCE


@pytest.mark.parametrize("name", NETWORKS)
def test_a_settled_batch_is_at_the_fixed_point(name: str) -> None:
    network = NETWORKS[name]()
    features = features_for(network, 20)
    recording = run(network, features, RunOptions(tolerance=1e-11))
    assert recording.settled.all()
    assert residual(network, present(network, features), recording.rates).max() <= 1.01e-11  # rounding
    far = euler(network, present(network, features), 2000, network.spec.equilibrium.dt)
    final = {n: network.populations[n].rate(v[-1]) for n, v in far.items()}
    # |s - s*| <= residual / (1 - contraction); the contraction of these networks is below 0.99
    assert deviation(recording.rates, with_readout(network, final)) <= 1e-9
