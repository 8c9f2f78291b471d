"""Every other layer is enough to find the radius, where layers stand so; what a check left holds in all."""

from typing import Any

import numpy as np
import pytest
import torch

from mep_neuro.equilibrium.bounds.certificate import MARGIN
from mep_neuro.equilibrium.bounds.half_map import every_other_layer
from mep_neuro.equilibrium.bounds.spectral_bound import SpectralBound
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.simulation.build import build
from mep_neuro.simulation.coupling import coupled_map, spectral_radius
from mep_neuro.topology.reader import read_spec

CHAIN = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "output")]
# Projections between settling populations; every other layer, or None.
CASES: dict[str, tuple[list[tuple[str, str]], list[str] | None]] = {
    "one hidden layer": ([("a", "output")], ["a"]),
    "two": ([("a", "b"), ("b", "output")], ["a", "output"]),
    "three": ([("a", "b"), ("b", "c"), ("c", "output")], ["a", "c"]),
    "four": (CHAIN, ["a", "c", "output"]),
    "a circle of three": ([("a", "b"), ("b", "output"), ("a", "output")], None),
    "a circle of four": ([("a", "b"), ("a", "c"), ("b", "output"), ("c", "output")], ["a", "output"]),
    "a part of a layer": ([("a[:20]", "b"), ("b", "output")], ["a", "output"]),
}
cases = pytest.mark.parametrize(("pairs", "side"), CASES.values(), ids=CASES)
PAST = ("a", "output")
SIZES = {"a": 80, "b": 70, "c": 75, "d": 66, "output": 68}


def network(pairs: list[tuple[str, str]], **keys: Any) -> EquilibriumNetwork:
    names = [n for n in SIZES if any(n in (pre.split("[")[0], post) for pre, post in pairs)]
    dense = {"connector": {"type": "dense"}, "feedback_gain": 0.6, **keys}
    past = {"feedback_gain": dense["feedback_gain"] ** 2}  # of the way past b, as much as of that through it
    mapping = {
        "name": "layers",
        "neurons": {"unit": {"activation": "tanh"}},
        "populations": {
            "input": {"shape": [4], "role": "input"},
            **{name: {"shape": [SIZES[name]], "neuron": "unit"} for name in names if name != "output"},
            "output": {"shape": [SIZES["output"]], "role": "output", "activation": "linear"},
        },
        "projections": {
            "in": {"pre": "input", "post": "a", "connector": {"type": "dense"}},
            **{
                f"p{number}": {"pre": pre, "post": post, **dense, **(past if (pre, post) == PAST else {})}
                for number, (pre, post) in enumerate(pairs)
            },
        },
    }
    return EquilibriumNetwork(build(read_spec(mapping)), torch.float64)


def exact(model: EquilibriumNetwork) -> float:
    return spectral_radius(coupled_map(model.to_network()))


@cases
def test_it_is_found_where_it_is(pairs: list[tuple[str, str]], side: list[str] | None) -> None:
    assert every_other_layer(network(pairs)) == side


@cases
def test_the_radius_is_that_of_the_whole_map(pairs: list[tuple[str, str]], side: list[str] | None) -> None:
    model = network(pairs)
    estimate, radius = SpectralBound(model, 0.9).radius(), exact(model)
    assert radius / MARGIN <= estimate <= radius * (1 + 1e-12)  # float64


@cases
def test_what_a_check_left_holds(pairs: list[tuple[str, str]], side: list[str] | None) -> None:
    """Changes along the leading pair of one projection, which use the most of it."""
    model, generator = network(pairs), torch.Generator().manual_seed(0)
    bound = SpectralBound(model, 0.9)
    bound.enforce()
    assert bound.certificate is not None
    for coupling in model.couplings.values():
        left, _, right = torch.linalg.svd(coupling.weight)
        coupling.weight.add_(torch.outer(left[:, 0], right[0]), alpha=0.01)
        coupling.weight.add_(torch.randn(coupling.weight.shape, generator=generator), alpha=1e-5)
        coupling.learned_changed()
        assert exact(model) <= bound.certificate.at_most()


def held(pairs: list[tuple[str, str]], updates: int) -> tuple[float, int]:
    """The largest radius after any of some random updates, by all eigenvalues, and the checks they took."""
    model, generator = network(pairs), torch.Generator().manual_seed(0)
    bound, largest = SpectralBound(model, 0.9), 0.0
    assert bound.certificate is not None
    for _ in range(updates):
        # Of rank 1 or of full rank; far more than a check leaves, or far less.
        size = (0.3, 0.003, 0.003, 0.003)[int(torch.randint(4, (), generator=generator))]
        rank = (1, 64)[int(torch.randint(2, (), generator=generator))]
        for coupling in model.couplings.values():
            left = torch.randn(len(coupling.weight), rank, generator=generator, dtype=torch.float64)
            right = torch.randn(rank, coupling.weight.shape[1], generator=generator, dtype=torch.float64)
            step = left @ right
            coupling.weight.add_(step, alpha=size / float(step.norm()))
            coupling.learned_changed()
        bound.enforce()
        largest = max(
            largest, float(np.abs(np.linalg.eigvalsh(coupled_map(model.to_network()).toarray())).max())
        )
    return largest, bound.certificate.checks


@cases
def test_it_holds_after_every_update(pairs: list[tuple[str, str]], side: list[str] | None) -> None:
    largest, checks = held(pairs, 20)
    assert 0.8 < largest <= 0.9
    assert checks < 20


@pytest.mark.slow
@cases
def test_it_holds_after_each_of_a_thousand_updates(
    pairs: list[tuple[str, str]], side: list[str] | None
) -> None:
    largest, checks = held(pairs, 1000)
    assert largest <= 0.9
    assert checks < 700


def test_feedback_of_its_own_is_no_half_map() -> None:
    assert every_other_layer(network(CASES["two"][0], feedback="random")) is None


def test_a_circle_taken_for_layers_would_leave_too_much() -> None:
    """The planted bug: each entry counted once, as of pairs +-lambda, where there are none."""
    model = network(CASES["a circle of three"][0], feedback_gain=1.0)
    for coupling in model.couplings.values():
        coupling.weight.fill_(1e-6)
        coupling.learned_changed()
    bound = SpectralBound(model, 0.9)
    assert bound.certificate is not None
    bound.enforce()
    for coupling in model.couplings.values():
        coupling.weight.fill_(1e-3)
        coupling.learned_changed()
    assert exact(model) <= bound.certificate.at_most()
    assert exact(model) > bound.certificate.at_most() / 2**0.5
