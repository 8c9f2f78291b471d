"""Predictive coding: a forward free phase, a minimum of its energy, and the forward network's gradient."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.load import load
from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.ranges import check_units
from mep_neuro.equilibrium.activation import RHO
from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.energy import energy
from mep_neuro.equilibrium.learning.backprop import backpropagation
from mep_neuro.equilibrium.learning.trainer import Trainer, predict
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import Free, Nudged, free_phase, nudged_phase
from mep_neuro.errors import TopologyError, UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.currents import currents
from mep_neuro.topology.reader import parse_spec, read_spec
from mep_neuro.topology.writer import write_spec

TEXT = """\
name: net
neurons:
  unit: {activation: tanh}
populations:
  input: {shape: [8], role: input}
  first: {shape: [7], neuron: unit, bias: 0.2}
  second: {shape: [6], neuron: unit, bias: 0.2}
  output: {shape: [3], role: output, neuron: unit, bias: 0.2}
projections:
  up: {pre: input, post: first, connector: {type: dense}}
  on: {pre: first, post: second, connector: {type: dense}}
  out: {pre: second, post: output, connector: {type: dense}}
equilibrium: {energy: predictive_coding, tolerance: 1.0e-11, max_steps: 500, nudge: {cost: squared_error}}
"""
SOFT = TEXT.replace("role: output, neuron: unit, bias: 0.2", "role: output, activation: softmax").replace(
    "squared_error", "cross_entropy"
)
CASES = {
    **{
        a: TEXT.replace("activation: tanh", f"activation: {a}")
        for a in ("tanh", "hard_sigmoid", "relu", "sigmoid", "linear")
    },
    "softmax": SOFT,
    "settled cross-entropy": TEXT.replace("squared_error", "cross_entropy"),
}
DATA = load_data("digits")


def model_of(text: str = TEXT) -> EquilibriumNetwork:
    return EquilibriumNetwork(build(parse_spec(text), seed=3), torch.float64)


def batch() -> tuple[Tensor, Tensor]:
    features = torch.from_numpy(np.random.default_rng(0).uniform(0.0, 1.0, (6, 8)))
    return features, torch.eye(3, dtype=torch.float64)[torch.arange(6) % 3]


def found(text: str, beta: float, phases: str = "centered") -> tuple[Free, Nudged, dict[str, Tensor]]:
    model, (features, target) = model_of(text), batch()
    free = free_phase(model, features)
    nudged = nudged_phase(model, free, target, beta=beta, phases=phases)
    return free, nudged, dict(contrast(model, free, nudged))


def forward(text: str, leaves: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Output and mean cost of the forward network, by torch alone."""
    features, target = batch()
    rho = RHO[parse_spec(text).neurons["unit"].activation].rate
    rates = features
    for projection, name in (("up", "first"), ("on", "second"), ("out", "output")):
        values = rates @ leaves[f"projections.{projection}.weight"].T + leaves[f"populations.{name}.bias"]
        rates = values if text is SOFT and name == "output" else rho(values)
    if "cross_entropy" in text:
        return rates, torch.nn.functional.cross_entropy(rates, target)
    return rates, 0.5 * (rates - target).square().sum(1).mean()


def backpropagated(text: str) -> dict[str, Tensor]:
    arrays = model_of(text).arrays()
    leaves = {name: torch.from_numpy(v).requires_grad_(True) for name, v in arrays.items()}
    names = [name for name in leaves if not name.endswith(".offset")]
    gradients = torch.autograd.grad(forward(text, leaves)[1], [leaves[name] for name in names])
    return {name: -gradient for name, gradient in zip(names, gradients, strict=True)}


def far(got: dict[str, Tensor], wanted: dict[str, Tensor]) -> float:
    assert set(got) == set(wanted)
    a, b = (torch.cat([v[name].ravel() for name in sorted(wanted)]) for v in (got, wanted))
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("case", CASES)
def test_the_free_phase_is_a_forward_pass(case: str) -> None:
    free, nudged, _ = found(CASES[case], 0.1)
    leaves = {name: torch.from_numpy(v) for name, v in model_of(CASES[case]).arrays().items()}
    output = forward(CASES[case], leaves)[0]
    wanted = torch.softmax(output, 1) if case == "softmax" else output
    assert torch.allclose(nudged.output, wanted, atol=1e-12)
    assert int(free.point.steps.max()) <= 3
    assert bool(free.point.settled.all())


@pytest.mark.parametrize("phases", ["centered", "one_sided", "random_sign"])
@pytest.mark.parametrize("case", CASES)
def test_the_contrast_tends_to_the_gradient_of_the_forward_network(case: str, phases: str) -> None:
    _, nudged, got = found(CASES[case], 1e-5, phases)
    assert bool(nudged.point.settled.all())
    assert far(got, backpropagated(CASES[case])) < 1e-4


def test_the_order_of_the_bias() -> None:
    betas = (0.4, 0.2, 0.1, 0.05)
    wanted = backpropagated(TEXT)
    for phases, order in (("centered", 2.0), ("one_sided", 1.0)):
        errors = [far(found(TEXT, beta, phases)[2], wanted) for beta in betas]
        assert np.polyfit(np.log(betas), np.log(errors), 1)[0] == pytest.approx(order, abs=0.15)


def test_the_gradient_of_coupled_rates_is_another() -> None:
    _, _, got = found(TEXT.replace("energy: predictive_coding, ", ""), 1e-5)
    assert far(got, backpropagated(TEXT)) > 0.1


def test_the_nudged_phase_is_where_the_energy_has_no_slope() -> None:
    """E - n.v by autograd, E written out from its definition."""
    model, (features, target) = model_of(), batch()
    free = free_phase(model, features)
    beta = 0.5
    nudged = nudged_phase(model, free, target, beta=beta, phases="one_sided")
    errors = {n: 2 * r.error.mean for n, r in nudged.responses.items() if r.error is not None}
    rates = {n: 2 * r.mean - free.point.states[n] for n, r in nudged.responses.items()}
    values = {n: torch.atanh(rates[n]).requires_grad_(True) for n in rates}
    w = {n: c.weight.detach() for n, c in model.projections.items()}
    made = {
        "first": values["first"] - free.drive["first"],
        "second": values["second"] - free.drive["second"] - torch.tanh(values["first"]) @ w["on"].T,
        "output": values["output"] - free.drive["output"] - torch.tanh(values["second"]) @ w["out"].T,
    }
    total = sum(e.square().sum() for e in made.values()) / 2
    pull = beta * (target - free.point.states["output"]) * (1 - free.point.states["output"].square())
    slopes = torch.autograd.grad(total - (pull * values["output"]).sum(), list(values.values()))
    assert all(float(s.abs().max()) < 1e-8 for s in slopes)
    for name in made:
        assert torch.allclose(made[name].detach(), errors[name], atol=1e-9)
        assert float(errors[name].abs().max()) > 1e-3


def test_too_few_sweeps_are_told() -> None:
    _, nudged, _ = found(TEXT.replace("max_steps: 500", "max_steps: 1"), 0.5)
    assert not bool(nudged.point.settled.any())


def test_digits_are_learned() -> None:
    mapping: dict[str, Any] = read_spec("digits_mlp").to_mapping()
    mapping["equilibrium"]["energy"] = "predictive_coding"
    mapping["neurons"] = {name: {"activation": "tanh"} for name in mapping["neurons"]}
    mapping["consolidation"] = {}
    mapping["projections"] = {
        name: {key: value for key, value in p.items() if key != "feedback_gain"}
        for name, p in mapping["projections"].items()
    }
    mapping["learning"] |= {"optimizer": "adam", "lr": 0.003}
    model = load(mapping)
    trainer = Trainer(model, DATA.x_train, DATA.y_train, epochs=4)
    trainer.prepare()
    while not trainer.finished:
        record = trainer.advance()
    assert float((predict(model, DATA.x_test)[0] == DATA.y_test).mean()) > 0.9
    assert record is not None
    assert record["settled"] == 1.0


def test_it_is_refused_by_name_elsewhere() -> None:
    net, model = build(parse_spec(TEXT), seed=3), model_of()
    message = (
        r"equilibrium\.energy: the errors of predictive coding are no populations, and {} cannot express"
    )
    with pytest.raises(UnsupportedError, match=message.format("a matrix of synapses")):
        currents(net)
    with pytest.raises(UnsupportedError, match=message.format("loihi2")):
        check_units(net, read_profile("loihi2"))
    with pytest.raises(UnsupportedError, match=r"backpropagation: the comparison goes through coupled rates"):
        backpropagation(model, *batch())
    free = free_phase(model, batch()[0])
    with pytest.raises(UnsupportedError, match=r"energy: this is that of coupled rates"):
        energy(model, free.point.states, free.drive)


def test_it_is_written_and_read_back() -> None:
    assert parse_spec(write_spec(parse_spec(TEXT))) == parse_spec(TEXT)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "predictive_coding",
            "predictive",
            r"energy: unknown choice 'predictive'; did you mean 'predictive_cod",
        ),
        ("{energy", "{solver: lean, energy", r"solver: predictive coding settles by sweeps, not lean; write"),
        ("{cost", "{phases: frozen, cost", r"nudge\.phases: predictive coding has no currents to freeze"),
        (
            "unit, bias: 0.2}\n  second",
            "unit, dropout: 0.2}\n  second",
            r"first\.dropout: predictive coding has no",
        ),
        (
            "name: net",
            "name: net\nlearning: {mode: continual, momentum: 0.0}",
            r"learning\.mode: predictive coding",
        ),
        (
            "name: net",
            "name: net\nconsolidation: {spectral_bound: 0.9}",
            r"spectral_bound: predictive coding settles",
        ),
        (
            "post: second, connector: {type: dense}",
            "post: second, connector: {type: sparse}",
            r"on\.connector\.type: predictive coding joins dense layers, not sparse; write dense",
        ),
        (
            "post: second, connector: {type: dense}",
            "post: second, connector: {type: dense}, feedback_gain: 0.5",
            r"on\.feedback_gain: predictive coding sends errors back through the same weights; remove",
        ),
        (
            "projections:\n",
            "projections:\n  skip: {pre: input, post: second, connector: {type: dense}}\n",
            r"on\.post: 'skip' predicts 'second' already, and layers have one before them; remove one",
        ),
    ],
)
def test_mistakes_are_told(old: str, new: str, message: str) -> None:
    assert TEXT.count(old) == 1
    with pytest.raises(TopologyError, match=message):
        parse_spec(TEXT.replace(old, new))
