"""Responses held times a power of two: the same numbers in a shallow network, finite ones in a deep one.

k grows by 1/g with every layer from the output, and the response falls by g; a contrast is of the order of
their product.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mep_neuro.equilibrium import contrast as contrasts
from mep_neuro.equilibrium.activation import LINEAR_EXPONENT, RHO, held_at
from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase, nudged_phase
from mep_neuro.equilibrium.response import Response
from mep_neuro.errors import SettleError, UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.energy import PLAIN_RANGE
from mep_neuro.simulation.implicit import negative_gradient
from mep_neuro.simulation.network import Network
from mep_neuro.topology.spec import NetworkSpec

Array = NDArray[np.float64]
SAMPLES, INPUTS, CLASSES = 4, 6, 3


def chain(
    layers: int,
    gain: float = 0.02,
    activation: str = "tanh",
    width: int = 4,
    feedback: str = "tied",
    skips: bool = True,
) -> Network:
    """Residual blocks: a dense projection, and a fixed one-to-one projection beside it."""
    names = [f"h{number}" for number in range(1, layers + 1)]
    projections: dict[str, Any] = {"in": {"pre": "input", "post": "h1", "connector": {"type": "dense"}}}
    for pre, post in pairwise(names):
        ends = {"pre": pre, "post": post, "feedback_gain": gain, "feedback": feedback}
        projections[f"{pre}_{post}"] = {**ends, "connector": {"type": "dense"}, "weight": {"gain": 0.2}}
        if skips:
            weight = {"init": "constant", "gain": 1.0 - gain}
            skip = {"connector": {"type": "one_to_one"}, "plastic": False, "weight": weight}
            projections[f"{pre}_{post}_skip"] = {**ends, **skip}
    projections["read"] = {"pre": names[-1], "post": "output", "connector": {"type": "dense"}}
    content = {
        "name": "chain",
        "neurons": {"unit": {"activation": activation}},
        "populations": {
            "input": {"shape": [INPUTS], "role": "input"},
            **{name: {"shape": [width], "neuron": "unit", "bias": 0.02} for name in names},
            "output": {"shape": [CLASSES], "role": "output", "activation": "softmax"},
        },
        "projections": projections,
        "equilibrium": {"nudge": {"cost": "cross_entropy"}, "tolerance": 1e-13, "max_steps": 5000},
    }
    return build(NetworkSpec.model_validate(content), seed=3)


def cube(cost: str = "squared_error") -> Network:
    """Units of one population with different k; a settling output, or a softmax read-out of one face."""
    output = {"activation": "softmax"} if cost == "cross_entropy" else {"neuron": "unit"}
    gain = 1.0 if cost == "cross_entropy" else 0.3
    return build(
        NetworkSpec.model_validate(
            {
                "name": "cube",
                "neurons": {"unit": {"activation": "tanh"}},
                "populations": {
                    "input": {"shape": [INPUTS], "role": "input"},
                    "cube": {"shape": [3, 3, 3], "neuron": "unit"},
                    "output": {"shape": [CLASSES], "role": "output", **output},
                },
                "projections": {
                    "face": {"pre": "input", "post": "cube[:, :, 0]", "connector": {"type": "dense"}},
                    "lattice": {
                        "pre": "cube",
                        "post": "cube",
                        "connector": {"type": "lattice"},
                        "feedback_gain": 0.1,
                        "weight": {"spectral_radius": 0.6},
                    },
                    "read": {
                        "pre": "cube[:, :, -1]",
                        "post": "output",
                        "connector": {"type": "dense"},
                        "feedback_gain": gain,
                    },
                },
                "equilibrium": {"nudge": {"cost": cost}, "tolerance": 1e-13, "max_steps": 5000},
            }
        ),
        seed=3,
    )


def plain(net: Network) -> Network:
    """The same network with k itself, where it is deep too."""
    populations = {
        name: replace(p, energy_weight=p.k, energy_exponent=0) for name, p in net.populations.items()
    }
    return replace(net, populations=populations)


def held(net: Network) -> Network:
    """The same network with every response held times a power of two, where it is shallow too."""
    populations = {}
    for name, p in net.populations.items():
        exponent = int(np.floor(np.log2(np.abs(p.k).max())))
        weight = np.ldexp(p.k, -exponent)
        populations[name] = replace(p, energy_weight=weight, energy_exponent=exponent)
    return replace(net, populations=populations)


def batch() -> tuple[Array, Array]:
    rng = np.random.default_rng(11)
    return rng.uniform(0.0, 1.0, (SAMPLES, INPUTS)), np.eye(CLASSES)[np.arange(SAMPLES) % CLASSES]


def estimate(net: Network, phases: str, beta: float = 0.05) -> dict[str, Array]:
    model = EquilibriumNetwork(net, torch.float64)
    features, target = map(torch.from_numpy, batch())
    free = free_phase(model, features)
    nudged = nudged_phase(model, free, target, beta=beta, phases=phases)
    assert bool(free.point.settled.all())
    assert bool(nudged.point.settled.all())
    return {name: value.numpy() for name, value in contrast(model, free, nudged).items()}


def worst(got: Mapping[str, Array], wanted: Mapping[str, Array]) -> float:
    """Largest relative error of a parameter, each measured by itself."""
    return max(float(np.linalg.norm(got[name] - wanted[name]) / np.linalg.norm(wanted[name])) for name in got)


@pytest.mark.parametrize("phases", ["centered", "frozen", "one_sided"])
@pytest.mark.parametrize(
    "net",
    [
        chain(4),
        chain(4, activation="relu"),
        chain(4, activation="hard_sigmoid"),
        chain(4, gain=0.4, feedback="antisymmetric"),
        chain(4, gain=0.4, feedback="random", skips=False),
        cube(),
        cube("cross_entropy"),
    ],
    ids=["tanh", "relu", "hard_sigmoid", "antisymmetric", "random", "cube", "cube, read-out"],
)
def test_in_a_shallow_network_they_are_the_same_numbers(net: Network, phases: str) -> None:
    assert all(p.energy_exponent == 0 for p in net.populations.values())
    scaled = held(net)
    assert max(p.energy_exponent for p in scaled.populations.values()) >= 2
    # Powers of two round nothing; what is left is the order of a sum.
    assert worst(estimate(scaled, phases), estimate(net, phases)) < 1e-14


def test_deeper_than_that_nothing_else_changes() -> None:
    net = chain(9)
    assert max(p.energy_exponent for p in net.populations.values()) > PLAIN_RANGE
    assert worst(estimate(net, "centered"), estimate(plain(net), "centered")) < 1e-12  # the rounding of k


@pytest.mark.parametrize("phases", ["centered", "frozen"])
@pytest.mark.parametrize(("layers", "activation"), [(10, "tanh"), (40, "tanh"), (40, "relu")])
def test_every_layer_has_the_gradient(layers: int, activation: str, phases: str) -> None:
    """40 layers of g = 0.02 are 1e66: beyond what float32 would hold, and far into the linear part."""
    net = chain(layers, activation=activation)
    wanted = negative_gradient(net, *batch())
    got = estimate(net, phases, beta=1e-4)
    assert min(np.abs(value).max() for value in got.values()) > 1e-6
    assert worst(got, wanted) < 1e-6  # of the order of beta squared, and the rest over beta


def test_a_contrast_that_forgets_the_power_of_two_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check above can fail: pre's response as pre holds it."""

    def as_pre_holds(
        model: EquilibriumNetwork, responses: Mapping[str, Response], pre: str, post: str
    ) -> Response:
        return responses[pre]

    net = chain(10)
    wanted = negative_gradient(net, *batch())
    monkeypatch.setattr(contrasts, "_as_post_holds", as_pre_holds)
    assert worst(estimate(net, "centered", beta=1e-4), wanted) > 0.1


def deep_contrast(net: Network, phases: str = "centered") -> tuple[dict[str, Array], dict[str, float]]:
    """Contrasts in float32 after a few half-sweeps, and the size of each layer's held response."""
    model = EquilibriumNetwork(net)
    features, target = (torch.tensor(part, dtype=torch.float32) for part in batch())
    free = free_phase(model, features, max_steps=3)
    nudged = nudged_phase(model, free, target, phases=phases, max_steps=3)
    sizes = {name: float(r.slope.norm()) for name, r in nudged.responses.items() if r.slope is not None}
    return {name: value.numpy() for name, value in contrast(model, free, nudged).items()}, sizes


@pytest.mark.parametrize("phases", ["centered", "frozen"])
def test_five_hundred_layers_have_finite_contrasts_of_one_size(phases: str) -> None:
    net = chain(500, gain=0.004, activation="relu")
    first = net.populations["h1"]
    assert first.energy_exponent == pytest.approx(499 * np.log2(250.0), abs=1)
    assert np.isinf(first.k).all()
    got, sizes = deep_contrast(net, phases)
    assert all(np.isfinite(value).all() for value in got.values())
    assert 1e-3 < min(sizes.values()) <= max(sizes.values()) < 1e3
    assert all(value.any() for value in got.values())


def test_without_the_powers_of_two_a_hundred_layers_are_lost() -> None:
    net = chain(100, gain=0.02, activation="relu")
    populations = {
        name: replace(p, energy_weight=np.minimum(p.k, 1e38), energy_exponent=0)
        for name, p in net.populations.items()
    }
    got, sizes = deep_contrast(replace(net, populations=populations))
    assert sizes["h1"] == 0.0
    assert not got["projections.in.weight"].any()
    assert deep_contrast(net)[0]["projections.in.weight"].any()


def test_phases_that_would_lose_the_response_are_refused() -> None:
    model = EquilibriumNetwork(chain(20))
    features, target = (torch.tensor(part, dtype=torch.float32) for part in batch())
    free = free_phase(model, features, max_steps=3)
    with pytest.raises(
        UnsupportedError,
        match=r"nudged phase: population 'h1' has an energy weight of 2\*\*107, so its response is below the "
        r"rounding of one_sided phases in torch.float32 \(2\*\*-23\); write centered or frozen",
    ):
        nudged_phase(model, free, target, phases="one_sided")
    nudged_phase(model, free, target, phases="frozen", max_steps=3)


def test_a_deep_network_that_diverges_still_says_so() -> None:
    net = chain(50, activation="relu", width=8)
    weights = {name: 30.0 * array for name, array in net.arrays().items()}
    model = EquilibriumNetwork(net.with_arrays(weights), torch.float64)
    with pytest.raises(SettleError, match="the state grows without bound"):
        free_phase(model, torch.from_numpy(batch()[0]))


@pytest.mark.parametrize("activation", ["hard_sigmoid", "relu", "tanh"])
def test_the_slope_is_where_the_half_difference_tends_to(activation: str) -> None:
    """At the kinks too, where it is the mean of both sides."""
    rho, small = RHO[activation], 1e-7
    a = torch.tensor([-30.0, -1.0, -1e-3, 0.0, 0.4, 1.0, 1.5, 30.0], dtype=torch.float64)
    wanted = rho.pair(a, torch.full_like(a, small))[1] / small
    deep = held_at(rho, LINEAR_EXPONENT)
    assert float((rho.slope(a) - wanted).abs().max()) < 1e-9  # a rounding of 1e-16 over the difference
    assert torch.equal(deep.half_at(a)(torch.full_like(a, 3.0)), 3.0 * rho.slope(a))
    assert torch.equal(deep.pair(a, torch.ones_like(a))[0], rho.rate(a))
