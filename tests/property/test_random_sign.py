"""Random-sign phases: each sign is biased by beta, their mean by beta squared, as centered phases are."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.learning.moment import Moment, sign_of, training_at
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase, nudged_phase
from mep_neuro.errors import TopologyError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.implicit import negative_gradient
from mep_neuro.simulation.network import Network
from mep_neuro.topology.reader import parse_spec

TEXT = """\
name: net
neurons:
  unit: {activation: tanh}
populations:
  input: {shape: [8], role: input}
  hidden: {shape: [7], neuron: unit}
  output: {shape: [3], role: output, neuron: unit}
projections:
  up: {pre: input, post: hidden, connector: {type: dense}}
  out: {pre: hidden, post: output, connector: {type: dense}, weight: {gain: 0.5}}
equilibrium: {tolerance: 1.0e-13, max_steps: 2000, nudge: {phases: random_sign}}
"""
BETAS = (0.2, 0.1, 0.05, 0.025)
Array = NDArray[np.float64]


def network() -> Network:
    return build(parse_spec(TEXT), seed=1)


def batch() -> tuple[Array, Array]:
    features = np.random.default_rng(0).uniform(0.0, 1.0, (6, 8))
    return features, np.eye(3)[np.arange(6) % 3]


def update_of(model: EquilibriumNetwork, sign: float) -> int:
    for update in count():
        with training_at(model, Moment(update)):
            if sign_of(model) == sign:
                return update
    raise AssertionError


def estimate(sign: float, beta: float, phases: str = "random_sign") -> Array:
    net = network()
    section = net.spec.equilibrium
    section = section.model_copy(update={"nudge": section.nudge.model_copy(update={"phases": phases})})
    model = EquilibriumNetwork(
        replace(net, spec=net.spec.model_copy(update={"equilibrium": section})), torch.float64
    )
    features, target = map(torch.from_numpy, batch())
    with training_at(model, Moment(update_of(model, sign))):
        free = free_phase(model, features)
        found = contrast(model, free, nudged_phase(model, free, target, beta=beta))
    return joined({name: value.numpy() for name, value in found.items()})


def joined(values: dict[str, Array]) -> Array:
    return np.concatenate([values[name].ravel() for name in sorted(values)])


def slope(errors: list[float]) -> float:
    return float(np.polyfit(np.log(BETAS), np.log(errors), 1)[0])


def test_each_sign_has_a_bias_of_beta_and_their_mean_one_of_beta_squared() -> None:
    exact = joined(negative_gradient(network(), *batch()))
    pairs = [(estimate(1.0, beta), estimate(-1.0, beta)) for beta in BETAS]
    size = np.linalg.norm(exact)
    for which in (0, 1):
        errors = [float(np.linalg.norm(pair[which] - exact) / size) for pair in pairs]
        assert slope(errors) == pytest.approx(1.0, abs=0.1)
    means = [float(np.linalg.norm((plus + minus) / 2 - exact) / size) for plus, minus in pairs]
    assert slope(means) == pytest.approx(2.0, abs=0.1)
    one_sided = [(estimate(1.0, beta, "one_sided"), estimate(-1.0, beta, "one_sided")) for beta in BETAS]
    control = [float(np.linalg.norm((plus + minus) / 2 - exact) / size) for plus, minus in one_sided]
    assert slope(control) == pytest.approx(1.0, abs=0.1)  # with one sign only, the mean stays biased


def test_a_wrong_word_is_told() -> None:
    with pytest.raises(
        TopologyError, match=r"nudge\.phases: unknown choice 'randomsign'; did you mean 'random_sign'\?"
    ):
        parse_spec(TEXT.replace("random_sign", "randomsign"))
