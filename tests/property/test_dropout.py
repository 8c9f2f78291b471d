"""Dropout: one mask through all phases makes the contrast the gradient of the masked network's cost."""

from functools import cache
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mep_neuro.equilibrium import nudges
from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.cost import cost
from mep_neuro.equilibrium.gates import dropout_gates
from mep_neuro.equilibrium.learning.backprop import backpropagation
from mep_neuro.equilibrium.learning.moment import Moment, training_at
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import Free, free_phase, nudged_phase
from mep_neuro.errors import TopologyError, UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import parse_spec

TEXT = """\
name: net
neurons:
  unit: {activation: tanh}
populations:
  input: {shape: [8], role: input}
  first: {shape: [9], neuron: unit, dropout: 0.3}
  second: {shape: [7], neuron: unit, dropout: 0.5}
  output: {shape: [3], role: output, neuron: unit}
projections:
  up: {pre: input, post: first, connector: {type: dense}}
  on: {pre: first, post: second, connector: {type: dense}, feedback_gain: 0.5, weight: {gain: 0.4}}
  out: {pre: second, post: output, connector: {type: dense}, weight: {gain: 0.4}}
equilibrium: {tolerance: 1.0e-13, max_steps: 2000}
"""
UPDATE = 4


def model_of(text: str = TEXT) -> EquilibriumNetwork:
    return EquilibriumNetwork(build(parse_spec(text), seed=1), torch.float64)


def batch() -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.uniform(0.0, 1.0, (6, 8))), torch.eye(3, dtype=torch.float64)[
        torch.arange(6) % 3
    ]


def in_training(model: EquilibriumNetwork, **how: Any) -> tuple[Free, dict[str, np.ndarray[Any, Any]]]:
    features, target = batch()
    with training_at(model, Moment(UPDATE)):
        free = free_phase(model, features)
        found = contrast(model, free, nudged_phase(model, free, target, beta=1e-4, **how))
    return free, {name: value.numpy() for name, value in found.items()}


@cache
def descent(key: str) -> np.ndarray[Any, Any]:
    """Minus the gradient of the mean cost by central differences, the mask of the update held."""
    model, (features, target) = model_of(), batch()
    arrays, step = model.arrays(), 1e-5
    found = np.zeros_like(arrays[key])
    for at in np.ndindex(found.shape):
        ends = []
        for sign in (1, -1):
            moved = {name: value.copy() for name, value in arrays.items()}
            moved[key][at] += sign * step
            model.load_arrays(moved)
            with training_at(model, Moment(UPDATE)):
                output = model.readout(free_phase(model, features).point.states)
            ends.append(float(cost("squared_error", output, target).mean()))
        found[at] = -(ends[0] - ends[1]) / (2 * step)
    return found


@pytest.mark.parametrize("phases", ["centered", "frozen", "one_sided"])
def test_the_contrast_is_the_gradient_of_the_masked_network(phases: str) -> None:
    model = model_of()
    got = in_training(model, phases=phases)[1]
    for key in ("projections.up.weight", "projections.on.weight", "populations.second.bias"):
        # 1e-4: the one-sided bias at beta 1e-4; differences and rounding are below 1e-8
        assert np.linalg.norm(got[key] - descent(key)) < 1e-4 * np.linalg.norm(got[key])


def test_with_another_mask_in_the_nudged_phase_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of()
    wanted = descent("projections.on.weight")
    gated, masks = nudges.gated, count(1)

    def redrawn(mode: Any, gates: Any) -> Any:
        with training_at(model, Moment(UPDATE + 10 * next(masks))):
            return gated(mode, dropout_gates(model))

    monkeypatch.setattr(nudges, "gated", redrawn)
    features, target = batch()
    with training_at(model, Moment(UPDATE)):
        free = free_phase(model, features)
    got = contrast(model, free, nudged_phase(model, free, target, beta=1e-4))["projections.on.weight"].numpy()
    cosine = (got * wanted).sum() / np.linalg.norm(got) / np.linalg.norm(wanted)
    assert cosine < 0.9


def test_silenced_units_are_silent_and_the_others_scaled() -> None:
    model = model_of()
    free, changes = in_training(model)
    first, second = free.point.states["first"], free.point.states["second"]
    silent = (first == 0).all(0)
    assert torch.equal(silent, (first == 0).any(0))  # one mask for all samples
    assert 0 < int(silent.sum()) < 9
    current = free.drive["first"] + 0.5 * second @ model.weights["on"]
    assert torch.allclose(first, torch.tanh(current) * ~silent / 0.7, atol=1e-12)
    assert not changes["projections.up.weight"][silent].any()
    assert changes["projections.up.weight"][~silent].all()
    assert not changes["populations.first.bias"][silent].any()


def test_masks_belong_to_the_update_and_evaluation_has_none() -> None:
    model = model_of()
    features, _ = batch()
    assert all(gate is None for gate in free_phase(model, features).gates)
    plain = model_of(TEXT.replace(", dropout: 0.3", "").replace(", dropout: 0.5", ""))
    assert torch.equal(
        free_phase(model, features).point.states["output"], free_phase(plain, features).point.states["output"]
    )
    drawn = []
    for update in range(300):
        with training_at(model, Moment(update)):
            gates = dropout_gates(model)
            assert all(torch.equal(a, b) for a, b in zip(gates[:2], dropout_gates(model)[:2], strict=True))
        drawn.append(torch.cat([gates[0], gates[1]]))
        assert gates[2] is None
    silent = (torch.stack(drawn) == 0).double().mean(0)
    # 300 draws have a standard deviation of 0.029 at most; 4 of them
    assert torch.allclose(silent, torch.tensor([0.3] * 9 + [0.5] * 7).double(), atol=0.12)
    assert (torch.stack(drawn) != 0).any(0).all()


@pytest.mark.parametrize("solver", ["synchronous", "momentum", "anderson", "lean", "event_driven"])
def test_every_solver_has_the_same_fixed_point(solver: str) -> None:
    model = model_of(TEXT.replace("1.0e-13", "1.0e-10"))
    with training_at(model, Moment(UPDATE)):
        wanted, got = (free_phase(model, batch()[0], solver=s) for s in ("sweeps", solver))
    assert bool(got.point.settled.all())
    for name, state in wanted.point.states.items():
        assert torch.allclose(got.point.states[name], state, atol=1e-8)


def test_a_sample_does_not_depend_on_the_batch() -> None:
    model = model_of()
    with training_at(model, Moment(UPDATE)):
        whole, alone = (free_phase(model, part).point.states for part in (batch()[0], batch()[0][2:3]))
    assert all(torch.allclose(whole[name][2:3], alone[name], atol=1e-11) for name in whole)


def test_backpropagation_refuses_it() -> None:
    model = model_of()
    with (
        training_at(model, Moment(0)),
        pytest.raises(
            UnsupportedError, match=r"backpropagation: the units of population 'first' are gated \(dropout or"
        ),
    ):
        backpropagation(model, *batch())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "role: input}",
            "role: input, dropout: 0.2}",
            r"populations\.input\.dropout: dropout acts on hidden populations and this is the input; remove",
        ),
        ("dropout: 0.3", "dropout: 1.0", r"dropout: 1\.0 is out of range; write a number < 1"),
        ("dropout: 0.3", "dropuot: 0.3", r"unknown key 'dropuot'; did you mean 'dropout'\?"),
    ],
)
def test_mistakes_are_told(old: str, new: str, message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        parse_spec(TEXT.replace(old, new))
