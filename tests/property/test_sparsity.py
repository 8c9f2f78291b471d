"""Sparse populations: k units active, chosen without raising the energy, and held through the nudge."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.ranges import check_units
from mep_neuro.converters.to_brian2.backend import run
from mep_neuro.equilibrium import nudges
from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.energy import energy
from mep_neuro.equilibrium.learning.backprop import backpropagation
from mep_neuro.equilibrium.learning.moment import Moment, training_at
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import Free, free_phase, nudged_phase
from mep_neuro.errors import TopologyError, UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.currents import currents
from mep_neuro.simulation.implicit import negative_gradient
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.recording import RunOptions
from mep_neuro.topology.reader import parse_spec

TEXT = """\
name: net
neurons:
  unit: {activation: tanh}
populations:
  input: {shape: [8], role: input}
  first: {shape: [12], neuron: unit, sparsity: 4}
  second: {shape: [10], neuron: unit, sparsity: 3}
  output: {shape: [3], role: output, neuron: unit}
projections:
  up: {pre: input, post: first, connector: {type: dense}}
  on: {pre: first, post: second, connector: {type: dense}, feedback_gain: 0.5, weight: {gain: 0.6}}
  out: {pre: second, post: output, connector: {type: dense}, weight: {gain: 0.6}}
equilibrium: {tolerance: 1.0e-13, max_steps: 2000}
"""
SPARSE = {"first": 4, "second": 3}


def network(text: str = TEXT, seed: int = 1) -> Network:
    return build(parse_spec(text), seed=seed)


def model_of(text: str = TEXT, seed: int = 1) -> EquilibriumNetwork:
    return EquilibriumNetwork(network(text, seed), torch.float64)


def batch() -> tuple[Tensor, Tensor]:
    features = np.random.default_rng(0).normal(0.0, 1.0, (6, 8))
    return torch.from_numpy(features), torch.eye(3, dtype=torch.float64)[torch.arange(6) % 3]


@pytest.mark.parametrize("activation", ["tanh", "hard_sigmoid", "relu"])
@pytest.mark.parametrize("solver", ["sweeps", "lean"])
def test_the_most_driven_units_are_active(activation: str, solver: str) -> None:
    text = TEXT.replace("activation: tanh", f"activation: {activation}")
    for seed in range(6):
        model = model_of(text.replace("{tol", "{solver: " + solver + ", tol"), seed)
        free = free_phase(model, batch()[0])
        assert bool(free.point.settled.all())
        first, second = free.point.states["first"], free.point.states["second"]
        current = free.drive["first"] + 0.5 * second @ model.weights["on"]
        drive = current.abs() if activation == "tanh" else current
        for sample, state in zip(drive, first, strict=True):
            best = set(sample.topk(4).indices.tolist())
            assert set(torch.nonzero(state).flatten().tolist()) <= best
        if activation == "tanh":
            assert bool(((first != 0).sum(1) == 4).all())
            assert bool(((second != 0).sum(1) == 3).all())


def test_without_it_more_units_are_active() -> None:
    plain = model_of(TEXT.replace(", sparsity: 4", "").replace(", sparsity: 3", ""))
    assert int((free_phase(plain, batch()[0]).point.states["first"] != 0).sum()) == 72


def rises(text: str, seed: int, solver: str = "sweeps") -> Tensor:
    """How much the energy rises in each half-sweep, of each sample."""
    model = model_of(text, seed)
    ends = [free_phase(model, batch()[0], tolerance=1e-300, max_steps=n, solver=solver) for n in range(1, 14)]
    return torch.stack([energy(model, free.point.states, free.drive) for free in ends]).diff(dim=0)


@settings(max_examples=25, deadline=None)
@given(
    activation=st.sampled_from(["tanh", "hard_sigmoid", "sigmoid"]),
    gain=st.floats(0.1, 5.0),
    seed=st.integers(0, 1000),
    solver=st.sampled_from(["sweeps", "lean"]),
)
def test_sweeps_never_raise_the_energy(activation: str, gain: float, seed: int, solver: str) -> None:
    """The most driven units are the block's minimum, whatever the weights."""
    text = TEXT.replace("activation: tanh", f"activation: {activation}").replace("gain: 0.6", f"gain: {gain}")
    assert float(rises(text, seed, solver).max()) < 1e-11  # rounding of sums of order 100


def test_the_least_driven_units_raise_it(monkeypatch: pytest.MonkeyPatch) -> None:
    topk = Tensor.topk
    monkeypatch.setattr(Tensor, "topk", lambda *args, **named: topk(*args, **named, largest=False))
    assert max(float(rises(TEXT, seed).max()) for seed in range(5)) > 1e-3


def test_tokens_that_attend_to_each_other_compete_all_at_once() -> None:
    attention = "attend: {pre: first, post: first, connector: {type: attention, heads: 1, key_width: 2}}"
    text = TEXT.replace("shape: [12]", "shape: [4, 3]").replace("  out:", f"  {attention}\n  out:")
    for steps in range(1, 6):
        free = free_phase(model_of(text), batch()[0], tolerance=1e-300, max_steps=steps)
        assert bool(((free.point.states["first"] != 0).sum(1) == 4).all())


def test_units_that_compete_in_a_lattice_move_at_once_and_may_raise_it() -> None:
    """The one thing left of which `sweeps` does not promise it."""
    lattice = (
        "lattice: {pre: second, post: second, connector: {type: lattice}, weight: {spectral_radius: 0.9}}"
    )
    text = TEXT.replace("shape: [10]", "shape: [3, 3, 3]").replace("  out:", f"  {lattice}\n  out:")
    assert max(float(rises(text, seed).max()) for seed in range(10)) > 1e-3


def gradient_of_winners(net: Network, free: Free, row: int) -> dict[str, Any]:
    """The exact gradient of one sample's network without the units that lost."""
    silent = {name: (free.point.states[name][row] == 0).numpy() for name in SPARSE}
    arrays = {name: value.copy() for name, value in net.arrays().items()}
    arrays["projections.up.weight"][silent["first"]] = 0.0
    arrays["projections.on.weight"][:, silent["first"]] = 0.0
    arrays["projections.on.weight"][silent["second"]] = 0.0
    arrays["projections.out.weight"][:, silent["second"]] = 0.0
    spec = parse_spec(TEXT.replace(", sparsity: 4", "").replace(", sparsity: 3", ""))
    plain = replace(net, spec=spec).with_arrays(arrays)
    features, target = batch()
    found = negative_gradient(plain, features[row : row + 1].numpy(), target[row : row + 1].numpy())
    found["projections.up.weight"][silent["first"]] = 0.0
    found["projections.on.weight"][:, silent["first"]] = 0.0
    found["projections.on.weight"][silent["second"]] = 0.0
    found["projections.out.weight"][:, silent["second"]] = 0.0
    for name in SPARSE:
        found[f"populations.{name}.bias"][silent[name]] = 0.0
    return found


def found_by(phases: str) -> tuple[Free, dict[str, Any]]:
    model = model_of()
    features, target = batch()
    free = free_phase(model, features)
    nudged = nudged_phase(model, free, target, beta=1e-4, phases=phases)
    return free, {name: value.numpy() for name, value in contrast(model, free, nudged).items()}


def far(got: dict[str, Any], free: Free) -> float:
    each = [gradient_of_winners(network(), free, row) for row in range(6)]
    wanted = {name: sum(e[name] for e in each) / 6 for name in each[0]}
    a, b = (np.concatenate([v[name].ravel() for name in sorted(wanted)]) for v in (got, wanted))
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


@pytest.mark.parametrize("phases", ["centered", "frozen", "one_sided"])
def test_the_contrast_is_the_gradient_among_the_winners(phases: str) -> None:
    free, got = found_by(phases)
    assert far(got, free) < (1e-3 if phases == "one_sided" else 1e-6)


def test_with_all_units_in_the_nudged_phase_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nudges, "gated", lambda mode, gates: mode)
    free, got = found_by("one_sided")
    assert far(got, free) > 0.3


def test_winners_stay_through_a_large_nudge() -> None:
    model = model_of()
    features, target = batch()
    free = free_phase(model, features)
    nudged = nudged_phase(model, free, 50 * target, beta=1.0, phases="one_sided")
    for name in SPARSE:
        silent = free.point.states[name] == 0
        slope = nudged.responses[name].slope
        assert slope is not None
        assert not slope[silent].any()
        assert slope[~silent].all()


def test_a_sample_does_not_depend_on_the_batch() -> None:
    model = model_of()
    features, target = batch()
    whole = free_phase(model, features)
    alone = free_phase(model, features[2:3])
    slopes = []
    for free, rows in ((whole, slice(None)), (alone, slice(2, 3))):
        nudged = nudged_phase(model, free, target[rows], phases="centered")
        slope = nudged.responses["first"].slope
        assert slope is not None
        slopes.append(slope)
    assert torch.allclose(slopes[0][2:3], slopes[1], atol=1e-10)


def test_silenced_units_do_not_compete() -> None:
    model = model_of(TEXT.replace("sparsity: 4", "sparsity: 4, dropout: 0.4"))
    with training_at(model, Moment(3)):
        free = free_phase(model, batch()[0])
    gate = free.gates[0]
    assert gate is not None
    assert bool(((free.point.states["first"] != 0).sum(1) == 4).all())
    assert set(gate.unique().tolist()) == {0.0, 1 / 0.6}


def test_what_adds_up_synapses_refuses_it() -> None:
    message = r"population 'first': which units stay active depends on all of them \(sparsity\), and {} can"
    net = network()
    with pytest.raises(UnsupportedError, match=message.format("a matrix of synapses")):
        currents(net)
    with pytest.raises(UnsupportedError, match=message.format("the exact gradient")):
        negative_gradient(net, batch()[0].numpy(), batch()[1].numpy())
    with pytest.raises(UnsupportedError, match=message.format("loihi2")):
        check_units(net, read_profile("loihi2"))
    with pytest.raises(UnsupportedError, match=message.format("brian2")):
        run(net, batch()[0].numpy(), RunOptions())
    with pytest.raises(UnsupportedError, match=r"backpropagation: the units of population 'first' are gated"):
        backpropagation(model_of(), *batch())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "role: input}",
            "role: input, sparsity: 2}",
            r"input\.sparsity: sparsity acts on hidden populations",
        ),
        ("sparsity: 4", "sparsity: 12", r"first\.sparsity: 12 of 12 units leave none silent; write less"),
        ("sparsity: 4", "sparsity: 0", r"sparsity: 0 is out of range; write a number >= 1"),
        ("sparsity: 4", "sparsty: 4", r"unknown key 'sparsty'; did you mean 'sparsity'\?"),
        (
            "{tol",
            "{solver: momentum, tol",
            r"equilibrium\.solver: 'first' is sparse, and only block updates \(sweeps and lean\) choose",
        ),
    ],
)
def test_mistakes_are_told(old: str, new: str, message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        parse_spec(TEXT.replace(old, new))
