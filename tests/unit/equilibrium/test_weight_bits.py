"""Weights of few bits: the levels carry both directions, the contrast moves what they are rounded from."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.load import load
from mep_neuro.equilibrium.bounds.spectral_bound import SpectralBound
from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.learning.learner import Learner
from mep_neuro.equilibrium.learning.trainer import Trainer, predict
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase, nudged_phase
from mep_neuro.simulation.build import build
from mep_neuro.simulation.implicit import negative_gradient
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.weight_bits import rounded
from mep_neuro.topology.reader import parse_spec, read_spec

TEXT = """\
name: net
neurons:
  unit: {activation: tanh}
populations:
  input: {shape: [2, 8, 8], role: input}
  maps: {shape: [3, 4, 4], neuron: unit}
  cube: {shape: [3, 4, 4], neuron: unit}
  tokens: {shape: [3, 6], neuron: unit}
  more: {shape: [3, 5], neuron: unit}
  output: {shape: [3], role: output, neuron: unit}
projections:
  conv: {pre: input, post: maps, connector: {type: conv2d, pool: 2}, weight_bits: ternary}
  skip: {pre: maps, post: cube, connector: {type: one_to_one}, weight: {gain: 0.3}, weight_bits: 3}
  lattice: {pre: cube, post: cube, connector: {type: lattice}, weight: {gain: 0.3}, weight_bits: ternary}
  some: {pre: cube, post: tokens, connector: {type: sparse}, weight: {gain: 0.3}, weight_bits: 2}
  point: {pre: tokens, post: more, connector: {type: pointwise}, weight: {gain: 0.3}, weight_bits: 4}
  out: {pre: more, post: output, connector: {type: dense}, weight: {gain: 0.3}, weight_bits: ternary}
equilibrium: {tolerance: 1.0e-12, max_steps: 3000}
learning: {optimizer: sgd, lr: 0.05, momentum: 0.0}
"""
NAMES = ("conv", "skip", "lattice", "some", "point", "out")
DATA = load_data("digits")


def network() -> Network:
    return build(parse_spec(TEXT), seed=4)


def batch() -> tuple[Any, Any]:
    return np.random.default_rng(0).uniform(0.0, 1.0, (5, 128)), np.eye(3)[np.arange(5) % 3]


def estimate(net: Network) -> dict[str, Any]:
    model = EquilibriumNetwork(net, torch.float64)
    features, target = map(torch.from_numpy, batch())
    free = free_phase(model, features)
    found = contrast(model, free, nudged_phase(model, free, target, beta=1e-3))
    return {name: value.numpy() for name, value in found.items()}


def test_the_contrast_is_the_gradient_at_the_levels_and_not_at_the_latent_weights() -> None:
    got, at_levels = estimate(network()), negative_gradient(network(), *batch())
    latent = {name: network().arrays()[f"projections.{name}.latent_weight"] for name in NAMES}
    net = network()
    unrounded = {n: replace(net.projections[n], weight=latent[n]) for n in NAMES}
    at_latent = negative_gradient(replace(net, projections=unrounded), *batch())
    for name in NAMES:
        key = f"projections.{name}.weight"
        size = np.linalg.norm(at_levels[key])
        assert np.linalg.norm(got[key] - at_levels[key]) < 1e-4 * size  # beta^2 and the tolerance over beta
        assert np.linalg.norm(got[key] - at_latent[key]) > 0.05 * size


def test_an_update_moves_the_latent_weights_and_rounds_them() -> None:
    model = EquilibriumNetwork(network(), torch.float64)
    before = model.arrays()
    moves = estimate(network())
    Learner(model).update({name: torch.from_numpy(value) for name, value in moves.items()})
    after = model.arrays()
    for name in NAMES:
        key = f"projections.{name}.latent_weight"
        assert np.allclose(after[key] - before[key], 0.05 * moves[f"projections.{name}.weight"], atol=1e-14)
        bits = network().projections[name].weight_bits
        assert bits is not None
        assert np.array_equal(after[f"projections.{name}.weight"], rounded(after[key], bits))
    again = EquilibriumNetwork(network().with_arrays(drawn_anew(network())), torch.float64)
    again.load_arrays(after)
    assert all(np.array_equal(value, after[name]) for name, value in again.arrays().items())
    states = (free_phase(m, torch.from_numpy(batch()[0])).point.states["output"] for m in (model, again))
    assert torch.equal(*states)


def drawn_anew(net: Network) -> dict[str, Any]:
    rng = np.random.default_rng(8)
    return {name: rng.standard_normal(value.shape) for name, value in net.arrays().items()}


def test_small_updates_add_up_where_rounding_in_place_would_lose_them() -> None:
    model = EquilibriumNetwork(network(), torch.float64)
    learner = Learner(model)
    names = [*(f"projections.{n}.weight" for n in NAMES), *(f"populations.{p}.bias" for p in POPULATIONS)]
    arrays = model.arrays()
    moves = {name: torch.zeros(arrays[name].shape, dtype=torch.float64) for name in names}
    moves["projections.out.weight"][0, 0] = -0.2 * np.sign(arrays["projections.out.weight"][0, 0] or 1.0)
    in_place = arrays["projections.out.weight"]
    start = in_place[0, 0]
    for _ in range(60):
        learner.update(moves)
        in_place = rounded(in_place + 0.05 * moves["projections.out.weight"].numpy(), "ternary")
    assert np.sign(model.arrays()["projections.out.weight"][0, 0]) == -(np.sign(start) or 1.0)
    assert np.sign(in_place[0, 0]) == np.sign(start)


POPULATIONS = ("maps", "cube", "tokens", "more", "output")


def test_the_bound_is_kept_by_the_levels() -> None:
    model = EquilibriumNetwork(network(), torch.float64)
    bound = SpectralBound(model, 0.2)
    assert bound.radius() > 0.21
    assert bound.enforce() <= 0.2 * (1 + 1e-9)
    assert SpectralBound(model, 0.2).radius() <= 0.2
    levels = model.arrays()
    for name in NAMES[1:]:
        bits = network().projections[name].weight_bits
        assert bits is not None
        assert np.array_equal(
            levels[f"projections.{name}.weight"], rounded(levels[f"projections.{name}.latent_weight"], bits)
        )


def digits(bits: Any) -> tuple[float, EquilibriumNetwork]:
    mapping = read_spec("digits_mlp").to_mapping()
    for projection in mapping["projections"].values():
        projection["weight_bits"] = bits
    model = load(mapping)
    trainer = Trainer(model, DATA.x_train, DATA.y_train, epochs=3)
    trainer.prepare()
    while not trainer.finished:
        trainer.advance()
    return float((predict(model, DATA.x_test)[0] == DATA.y_test).mean()), model


def test_ternary_weights_learn_digits() -> None:
    accuracy, model = digits("ternary")
    assert accuracy > 0.85
    for projection in model.to_network().projections.values():  # what converters read
        assert len(np.unique(np.abs(projection.weight))) == 2
