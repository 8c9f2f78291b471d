"""Sequences: one matrix for all positions, a softmax for each; attention is refused where synapses add up."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import quantize
from mep_neuro.converters.to_brian2.backend import convert
from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.learning.trainer import Trainer, one_hot, predict
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase, nudged_phase
from mep_neuro.errors import DataError, UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.currents import currents
from mep_neuro.simulation.implicit import negative_gradient
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.readout import with_readout
from mep_neuro.simulation.reference import euler
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.reader import read_spec

LENGTH, TOKENS = 3, 4
ROUNDING = 1e-13


def network(
    attention: bool = False, activation: str = "tanh", tolerance: float = 1e-13, **learning: Any
) -> Network:
    """Two settling populations of 3 positions, joined by one matrix."""
    pointwise = {"type": "pointwise"}
    projections: dict[str, Any] = {
        "embed": {"pre": "input", "post": "low", "connector": pointwise},
        "up": {"pre": "low", "post": "high", "connector": pointwise, "feedback_gain": 0.5},
        "read": {"pre": "high[:, 1:]", "post": "output", "connector": pointwise, "calibrate": {"samples": 8}},
    }
    if attention:
        projections["attention"] = {"pre": "low", "post": "low", "connector": {"type": "attention"}}
    mapping = {
        "name": "checked",
        "neurons": {"unit": {"activation": activation}},
        "populations": {
            "input": {"shape": [LENGTH, TOKENS], "role": "input"},
            "low": {"shape": [LENGTH, 5], "neuron": "unit", "bias": 0.2},
            "high": {"shape": [LENGTH, 6], "neuron": "unit", "bias": 0.2},
            "output": {"shape": [LENGTH, 2], "role": "output", "activation": "softmax"},
        },
        "projections": projections,
        "equilibrium": {"tolerance": tolerance, "max_steps": 2000, "nudge": {"cost": "cross_entropy"}},
        "learning": learning,
    }
    made = build(read_spec(mapping), 2)
    arrays = made.arrays()
    rng = np.random.default_rng(0)
    arrays["projections.read.offset"] = 0.1 * rng.standard_normal(arrays["projections.read.offset"].shape)
    arrays["projections.read.gain"] = np.array([1.5])
    arrays["populations.output.bias"] = 0.3 * rng.standard_normal(2 * LENGTH)
    return made.with_arrays(arrays)


def features(samples: int = 5) -> np.ndarray:
    return np.random.default_rng(3).uniform(0, 1, (samples, LENGTH * TOKENS))


def test_a_pointwise_projection_is_one_matrix_at_every_position() -> None:
    net, x = network(), features()
    weight = net.projections["embed"].weight
    assert weight.shape == (5, TOKENS)
    drive = present(net, x).drive["low"].reshape(5, LENGTH, 5)
    for position in range(LENGTH):
        each = x.reshape(5, LENGTH, TOKENS)[:, position] @ weight.T + 0.2
        assert np.abs(drive[:, position] - each).max() < ROUNDING


def test_torch_and_the_list_of_synapses_agree() -> None:
    net, x = network(), features()
    model = EquilibriumNetwork(net, torch.float64)
    operator, rng = currents(net), np.random.default_rng(1)
    states = {p.name: rng.standard_normal((5, p.size)) for p in net.dynamic}
    wanted = operator.split(operator.into(operator.join(present(net, x).drive), operator.join(states)))
    _, drive = model.drive(torch.from_numpy(x))
    for block, name in enumerate(model.settling):
        total = drive[name]
        for link in model.system.links[block]:
            total = link.onto(total, torch.from_numpy(states[model.settling[link.source]]))
        assert np.abs(total.numpy() - wanted[name]).max() < ROUNDING
    torch_states = {name: torch.from_numpy(state) for name, state in states.items()}
    output = with_readout(net, states)["output"]
    assert np.abs(model.readout(torch_states).numpy() - output).max() < ROUNDING
    assert np.abs(output.reshape(5, LENGTH, 2).sum(2) - 1).max() < ROUNDING  # one softmax each


def test_the_contrast_of_sequences_is_the_gradient() -> None:
    """Of the mean over positions of the cross-entropy; the implicit gradient knows synapses alone."""
    net, x = network(), features()
    model = EquilibriumNetwork(net, torch.float64)
    labels = torch.from_numpy(np.random.default_rng(4).integers(0, 2, (5, LENGTH)))
    target = one_hot(model, labels)
    free = free_phase(model, torch.from_numpy(x))
    got = contrast(model, free, nudged_phase(model, free, target, beta=1e-3))
    wanted = negative_gradient(net, x, target.numpy())
    for name, value in wanted.items():
        assert np.abs(got[name].numpy() - value).max() < 1e-6 * np.abs(value).max(), name  # beta squared


def test_the_gradient_is_of_the_mean_over_positions() -> None:
    net, x = network(), features()
    target = one_hot(EquilibriumNetwork(net), torch.zeros(5, LENGTH, dtype=torch.int64)).double().numpy()
    wanted = negative_gradient(net, x, target)["populations.output.bias"]
    model = EquilibriumNetwork(net, torch.float64)
    output = model.readout(free_phase(model, torch.from_numpy(x)).point.states).numpy()
    assert np.abs(wanted - (target - output).mean(0) / LENGTH).max() < 1e-12


def test_the_trainer_takes_a_label_for_each_position() -> None:
    model = EquilibriumNetwork(network(tolerance=1e-3, optimizer="adam", lr=0.02, batch_size=16))
    x = np.eye(TOKENS)[np.random.default_rng(5).integers(0, TOKENS, (64, LENGTH))]
    labels = x.argmax(2) % 2
    trainer = Trainer(model, x.reshape(64, -1), labels, epochs=15)
    while not trainer.finished:
        metrics = trainer.advance() or {}
    assert metrics["train_accuracy"] > 0.95
    assert (predict(model, x.reshape(64, -1))[0] == labels).mean() > 0.95


def test_labels_that_are_not_one_for_each_position_are_refused() -> None:
    model = EquilibriumNetwork(network())
    expected = (
        r"population 'output': labels have shape \(5,\); give one for each of the 3 positions of each sample"
    )
    with pytest.raises(DataError, match=expected):
        one_hot(model, torch.zeros(5, dtype=torch.int64))


REFUSED: dict[str, Callable[[Network], object]] = {
    "brian2": lambda net: convert(net, samples=1),
    "loihi2": lambda net: quantize(net, read_profile("loihi2")),
    "a matrix of synapses": currents,
    "the exact gradient": lambda net: negative_gradient(net, features(), np.zeros((5, 6))),
}


@pytest.mark.parametrize("target", REFUSED)
def test_attention_is_refused_by_name(target: str) -> None:
    expected = (
        f"projection 'attention': attention has no spiking form, and {target} cannot express it; run it on"
    )
    with pytest.raises(UnsupportedError, match=expected):
        REFUSED[target](network(attention=True, activation="hard_sigmoid"))


def test_the_numpy_reference_refuses_attention() -> None:
    net = network(attention=True)
    with pytest.raises(UnsupportedError, match="attention has no spiking form"):
        euler(net, present(net, features()), 3, 1e-3)


def test_frozen_phases_refuse_attention() -> None:
    model = EquilibriumNetwork(network(attention=True), torch.float64)
    free = free_phase(model, torch.from_numpy(features()), tolerance=1e-3)
    with pytest.raises(
        UnsupportedError, match="nudged phase: attention is attention, whose currents are not"
    ):
        nudged_phase(model, free, torch.zeros(5, 6, dtype=torch.float64), phases="frozen")


def test_one_matrix_for_units_of_different_energy_weight_is_refused() -> None:
    pointwise, dense = {"type": "pointwise"}, {"type": "dense"}
    populations: dict[str, Any] = {
        name: {"shape": [3, 4]} for name in ("input", "low", "left", "right", "output")
    }
    populations["input"]["role"], populations["output"]["role"] = "input", "output"
    populations["left"], populations["right"] = {"shape": [1, 4]}, {"shape": [2, 4]}
    projections = {
        "embed": {"pre": "input", "post": "low", "connector": pointwise},
        "first": {"pre": "low[:1]", "post": "left", "connector": pointwise, "feedback_gain": 0.5},
        "rest": {"pre": "low[1:]", "post": "right", "connector": pointwise, "feedback_gain": 0.25},
        "one": {"pre": "left", "post": "output", "connector": dense},
        "two": {"pre": "right", "post": "output", "connector": dense},
    }
    net = build(read_spec({"name": "checked", "populations": populations, "projections": projections}))
    expected = "projection 'embed': its post units have energy weights from [0-9.]+ to [0-9.]+, and the same"
    with pytest.raises(UnsupportedError, match=expected):
        EquilibriumNetwork(net)


def test_sequences_in_bfloat16_are_those_of_float32_to_its_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    """And attention refuses it, since its energy has no such form here."""
    monkeypatch.setattr("mep_neuro.equilibrium.couplings.dense.LEAST_SYNAPSES", 1)
    net, x = network(tolerance=1e-2), torch.from_numpy(features()).float()
    contrasts = []
    for compute in (torch.float32, torch.bfloat16):
        model = EquilibriumNetwork(net, torch.float32, compute)
        target = one_hot(model, torch.zeros(5, LENGTH, dtype=torch.int64))
        free = free_phase(model, x)
        contrasts.append(dict(contrast(model, free, nudged_phase(model, free, target, beta=0.5))))
    for name, wanted in contrasts[0].items():
        error = (contrasts[1][name] - wanted).norm() / wanted.norm()
        assert float(error) < 0.05, name  # 2^-8 relative, over states that differ by a tenth of their size
    with pytest.raises(UnsupportedError, match="projection 'attention': only dense projections compute in"):
        EquilibriumNetwork(network(attention=True), torch.float32, torch.bfloat16)
