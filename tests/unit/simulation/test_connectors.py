"""The synapses of sparse, one-to-one and convolutional projections, and what belongs to other feedback."""

from typing import Any

import numpy as np
import pytest
import torch

from mep_neuro.equilibrium.bounds.spectral_bound import SpectralBound
from mep_neuro.equilibrium.energy import energy
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase
from mep_neuro.errors import SettleError, UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.connectors import sparse_synapses
from mep_neuro.simulation.coupling import coupled_map, spectral_radius
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.wiring import wire
from mep_neuro.topology.reader import read_spec


def net(connector: dict[str, Any], seed: int | None = None, **keys: Any) -> Network:
    """input -> a -> b -> output; `connector` between a and b."""
    shape = {"a": [2, 4, 4], "b": [2, 4, 4]}
    dense = {"type": "dense"}
    mapping = {
        "name": "net",
        "neurons": {"unit": {"activation": "tanh"}},
        "populations": {
            "input": {"shape": [5], "role": "input"},
            **{name: {"shape": s, "neuron": "unit"} for name, s in shape.items()},
            "output": {"shape": [3], "role": "output", "neuron": "unit"},
        },
        "projections": {
            "in": {"pre": "input", "post": "a", "connector": dense},
            "middle": {"pre": "a", "post": "b", "connector": connector, **keys},
            "out": {"pre": "b", "post": "output", "connector": dense, "weight": {"gain": 0.3}},
        },
    }
    return build(read_spec(mapping), seed)


@pytest.mark.parametrize("probability", [0.001, 0.1, 0.9, 1.0])
def test_each_pair_has_a_sparse_synapse_with_the_probability(probability: float) -> None:
    pre, post = np.arange(500), np.arange(400)
    made = sparse_synapses(pre, post, probability, 0.5, np.random.default_rng(0))
    pairs = made.post * 500 + made.pre
    assert (np.diff(pairs) > 0).all()  # each at most once
    expected, n = 200_000 * probability, 200_000
    assert abs(pairs.size - expected) <= 4 * (n * probability * (1 - probability)) ** 0.5
    if 0.05 < probability < 1:
        rows = np.bincount(made.post, minlength=400) / 500
        assert np.abs(rows - probability).max() < 5 * (probability * (1 - probability) / 500) ** 0.5


def test_a_sparse_projection_of_many_units_takes_the_memory_of_its_synapses() -> None:
    many = np.arange(2_000_000)
    made = sparse_synapses(many, many, 1e-9, 1.0, np.random.default_rng(0))  # of 4e12 pairs
    assert made.pre.size == pytest.approx(4000, rel=0.1)


def test_which_synapses_there_are_comes_from_the_seed_that_the_network_keeps() -> None:
    first, again, other = (net({"type": "sparse"}, seed) for seed in (3, 3, 4))
    assert np.array_equal(first.projections["middle"].synapses.pre, again.projections["middle"].synapses.pre)
    assert not np.array_equal(first.projections["middle"].weight, other.projections["middle"].weight)
    back = build(first.spec).with_arrays(first.arrays())  # as a RUN folder does
    assert back.spec.seeds.init == 3
    assert np.array_equal(first.projections["middle"].synapses.pre, back.projections["middle"].synapses.pre)


def test_a_convolution_has_no_synapse_beyond_the_image() -> None:
    made = net({"type": "conv2d", "kernel": 3}).projections["middle"].synapses
    inside = 16 * 9 - 4 * 5 - 8 * 3  # corners lack 5 of 9, the other edges 3
    assert made.pre.size == 2 * 2 * inside


def test_the_fan_in_is_what_reaches_a_unit() -> None:
    conv = net({"type": "conv2d", "kernel": 3})
    rng = np.random.default_rng(0)
    assert wire(conv.spec, conv.spec.projections["middle"], rng).fan_in == 2 * 9
    assert np.bincount(conv.projections["middle"].synapses.post).max() == 2 * 9


def test_the_radius_of_the_weights_is_what_the_file_asks_for_whatever_the_feedback() -> None:
    for feedback in ("tied", "random", "antisymmetric"):
        made = net({"type": "conv2d"}, feedback=feedback, weight={"spectral_radius": 0.7})
        made = made.with_arrays({k: v * (k != "projections.out.weight") for k, v in made.arrays().items()})
        assert spectral_radius(coupled_map(made)) == pytest.approx(0.7, rel=1e-9)


def test_the_radius_of_a_large_map_without_an_energy_is_its_norm() -> None:
    made = net({"type": "dense"}, feedback="random", feedback_gain=0.3)
    small = coupled_map(made)
    large = type(small)(np.kron(np.eye(8), small.toarray()))  # above the size that is solved densely
    assert spectral_radius(large) == pytest.approx(np.linalg.norm(small.toarray(), 2), rel=1e-8)


@pytest.mark.parametrize("feedback", ["random", "antisymmetric"])
def test_no_energy_is_told_by_name(feedback: str) -> None:
    made = net({"type": "dense"}, feedback=feedback)
    assert made.without_energy == ("middle",)
    model = EquilibriumNetwork(made, torch.float64)
    free = free_phase(model, torch.rand(2, 5, dtype=torch.float64))
    with pytest.raises(
        UnsupportedError, match=rf"projections\.middle: {feedback} feedback has no energy; write"
    ):
        energy(model, free.point.states, free.drive)


def test_random_feedback_that_alone_exceeds_the_bound_is_told() -> None:
    model = EquilibriumNetwork(net({"type": "dense"}, feedback="random", weight={"gain": 3.0}))
    expected = r"not plastic, or the random feedback, have radius .*, above 0\.5; lower their weights"
    with pytest.raises(SettleError, match=expected):
        SpectralBound(model, 0.5).enforce()


def test_an_antisymmetric_coupling_turns_the_sign_of_the_energy_weight() -> None:
    made = net({"type": "dense"}, feedback="antisymmetric", feedback_gain=0.5)
    assert (made.populations["b"].energy_weight > 0).all()
    assert (made.populations["a"].energy_weight < 0).all()
