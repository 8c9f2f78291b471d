"""Cross-entropy of settling outputs: the contrast is the gradient of the cost of their softmax; it learns."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.load import load
from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.cost import cost, error
from mep_neuro.equilibrium.learning.backprop import backpropagation
from mep_neuro.equilibrium.learning.trainer import Trainer, predict
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase, nudged_phase
from mep_neuro.simulation.build import build
from mep_neuro.simulation.implicit import negative_gradient
from mep_neuro.simulation.network import Network
from mep_neuro.topology.reader import parse_spec, read_spec

TEXT = """\
name: net
neurons:
  unit: {activation: tanh}
populations:
  input: {shape: [8], role: input}
  hidden: {shape: [9], neuron: unit, bias: 0.4}
  output: {shape: [4], role: output, neuron: unit, bias: 0.4}
projections:
  up: {pre: input, post: hidden, connector: {type: dense}, weight: {gain: 0.3}}
  out: {pre: hidden, post: output, connector: {type: dense}, weight: {gain: 0.4}}
equilibrium: {tolerance: 1.0e-13, max_steps: 3000, nudge: {cost: cross_entropy}}
"""
ACTIVATIONS = ("tanh", "hard_sigmoid", "relu", "sigmoid", "linear")
DATA = load_data("digits")


def network(activation: str, wanted: str = "cross_entropy") -> Network:
    text = TEXT.replace("activation: tanh", f"activation: {activation}")
    return build(parse_spec(text.replace("cross_entropy", wanted)), seed=1)


def batch() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.random.default_rng(0).uniform(0.0, 1.0, (8, 8)), np.eye(4)[np.arange(8) % 4]


def relative_error(activation: str, beta: float, wanted: str = "cross_entropy") -> float:
    model = EquilibriumNetwork(network(activation, wanted), torch.float64)
    features, target = map(torch.from_numpy, batch())
    free = free_phase(model, features)
    found = contrast(model, free, nudged_phase(model, free, target, beta=beta))
    exact = negative_gradient(network(activation), *batch())
    got, true = (np.concatenate([np.asarray(v[k]).ravel() for k in sorted(exact)]) for v in (found, exact))
    return float(np.linalg.norm(got - true) / np.linalg.norm(true))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_contrast_is_its_gradient(activation: str) -> None:
    assert relative_error(activation, 1e-3) < 1e-5  # beta^2, and 1e-10 from the tolerance over beta
    assert relative_error(activation, 1e-3, "squared_error") > 0.2  # the other cost has another one


def test_its_bias_is_of_order_beta_squared() -> None:
    errors = [relative_error("tanh", beta) for beta in (0.2, 0.1, 0.05)]
    slope = np.polyfit(np.log([0.2, 0.1, 0.05]), np.log(errors), 1)[0]
    assert slope == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_exact_gradient_is_that_of_differences(activation: str) -> None:
    net = network(activation)
    wanted = negative_gradient(net, *batch())["projections.out.weight"]
    features, target = map(torch.from_numpy, batch())
    arrays, step = net.arrays(), 1e-5
    for at in ((0, 0), (1, 5), (3, 8)):
        ends = []
        for sign in (1, -1):
            moved = {name: value.copy() for name, value in arrays.items()}
            moved["projections.out.weight"][at] += sign * step
            model = EquilibriumNetwork(net.with_arrays(moved), torch.float64)
            output = model.readout(free_phase(model, features).point.states)
            ends.append(float(torch.nn.functional.cross_entropy(output, target)))
        assert wanted[at] == pytest.approx(-(ends[0] - ends[1]) / (2 * step), abs=1e-8)


def test_cost_and_error_are_torchs() -> None:
    output = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    target = torch.eye(4, dtype=torch.float64)[torch.arange(5) % 4]
    leaf = output.clone().requires_grad_(True)
    torch.nn.functional.cross_entropy(leaf, target, reduction="sum").backward()
    assert leaf.grad is not None
    assert torch.allclose(error(output, target, name="settled_cross_entropy"), -leaf.grad)
    each = torch.nn.functional.cross_entropy(output, target, reduction="none")
    assert torch.allclose(cost("settled_cross_entropy", output, target), each)


def test_backpropagation_through_the_settle_agrees() -> None:
    model = EquilibriumNetwork(network("tanh"), torch.float64)
    features, target = map(torch.from_numpy, batch())
    found = backpropagation(model, features, target).contrast
    exact = negative_gradient(network("tanh"), *batch())
    for name, value in exact.items():
        assert np.allclose(found[name].numpy(), value, atol=1e-9)


def test_digits_are_learned_and_the_cost_told_is_this_one() -> None:
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["equilibrium"]["nudge"]["cost"] = "cross_entropy"
    model = load(mapping)
    trainer = Trainer(model, DATA.x_train, DATA.y_train, epochs=4)
    trainer.prepare()
    records = []
    while not trainer.finished:
        record = trainer.advance()
        if record is not None:
            records.append(record)
    predicted, free = predict(model, DATA.x_test)
    assert float((predicted == DATA.y_test).mean()) > 0.85
    assert records[-1]["train_cost"] < records[0]["train_cost"] < np.log(10)
    labels = torch.from_numpy(DATA.y_test)
    told = float(torch.nn.functional.cross_entropy(model.readout(free.point.states), labels))
    assert told == pytest.approx(records[-1]["train_cost"], abs=0.1)
