"""The control: autograd through the settle gives the gradient that implicit differentiation gives."""

import numpy as np
import pytest
import torch

from mep_neuro.backends.data.load import load_data
from mep_neuro.equilibrium.learning.backprop import backpropagation
from mep_neuro.equilibrium.learning.trainer import equilibrium_propagation
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.simulation.build import build
from mep_neuro.simulation.implicit import negative_gradient
from mep_neuro.topology.reader import read_spec

FEATURES, LABELS = load_data("digits").x_train[:6], load_data("digits").y_train[:6]


def model(name: str) -> EquilibriumNetwork:
    mapping = read_spec(name).to_mapping()
    mapping["equilibrium"] |= {"tolerance": 1e-12, "max_steps": 500}
    mapping["projections"].get("lattice", {}).update({"weight": {"spectral_radius": 0.5}})
    return EquilibriumNetwork(build(read_spec(mapping), seed=2), torch.float64)


@pytest.mark.parametrize("name", ["digits_mlp", "digits_cube"])
def test_it_is_minus_the_gradient(name: str) -> None:
    net = model(name)
    target = np.eye(10)[LABELS]
    step = backpropagation(net, torch.from_numpy(FEATURES), torch.from_numpy(target))
    exact = negative_gradient(net.network, FEATURES, target)
    plastic = {key for key in exact if "input_face" not in key}
    assert set(step.contrast) == plastic
    for key in plastic:
        # 60 steps at radius 0.5 cut off 1e-18; a sample on a kink of hard_sigmoid has no gradient.
        scale = np.abs(exact[key]).max()
        assert np.allclose(step.contrast[key].numpy(), exact[key], rtol=0, atol=1e-9 * scale + 1e-14), key


@pytest.mark.parametrize("name", ["digits_mlp", "digits_cube"])
def test_it_sees_the_output_that_equilibrium_propagation_sees(name: str) -> None:
    net = model(name)
    features, target = torch.from_numpy(FEATURES), torch.eye(10, dtype=torch.float64)[LABELS]
    outputs = [rule(net, features, target).output for rule in (backpropagation, equilibrium_propagation)]
    assert torch.allclose(*outputs, rtol=0, atol=1e-10)
