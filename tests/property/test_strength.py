"""Strength of the nudge: schedules lower its bias, and beta: auto keeps the response in its linear range."""

from typing import Any

import numpy as np
import pytest
import torch

from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.learning.moment import Moment, training_at
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import Nudged, free_phase, nudged_phase
from mep_neuro.errors import TopologyError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.implicit import negative_gradient
from mep_neuro.topology.reader import parse_spec
from mep_neuro.topology.writer import write_spec

TEXT = """\
name: net
neurons:
  unit: {activation: tanh}
populations:
  input: {shape: [8], role: input}
  first: {shape: [7], neuron: unit}
  second: {shape: [6], neuron: unit}
  output: {shape: [3], role: output, neuron: unit}
projections:
  up: {pre: input, post: first, connector: {type: dense}, weight: {gain: 0.2}}
  on: {pre: first, post: second, connector: {type: dense}, weight: {spectral_radius: 0.5}}
  out: {pre: second, post: output, connector: {type: dense}, weight: {spectral_radius: 0.5}}
equilibrium: {tolerance: 1.0e-12, max_steps: 9000, nudge: {beta: 0.5}}
"""
AUTO = ("beta: 0.5", "beta: auto")
SLACK = 1.05  # one-sided responses bend by half the range times the curvature of rho


def edited(*edits: tuple[str, str]) -> str:
    text = TEXT
    for old, new in edits:
        assert text.count(old) >= 1
        text = text.replace(old, new)
    return text


def phases_of(text: str, moment: Moment | None = None, scale: float = 1.0) -> tuple[Nudged, float]:
    """The nudged phase, and the relative error of its contrast to the exact gradient."""
    net = build(parse_spec(text), seed=3)
    model = EquilibriumNetwork(net, torch.float64)
    features = np.random.default_rng(0).uniform(0.0, 1.0, (6, 8))
    target = scale * np.eye(net.output.size)[np.arange(6) % 3]

    def nudge() -> tuple[Nudged, Any]:
        free = free_phase(model, torch.from_numpy(features))
        assert bool(free.point.settled.all())
        nudged = nudged_phase(model, free, torch.from_numpy(target))
        return nudged, contrast(model, free, nudged)

    if moment is None:
        nudged, found = nudge()
    else:
        with training_at(model, moment):
            nudged, found = nudge()
    exact = negative_gradient(net, features, target)
    got, wanted = (np.concatenate([np.asarray(v[k]).ravel() for k in sorted(exact)]) for v in (found, exact))
    return nudged, float(np.linalg.norm(got - wanted) / max(np.linalg.norm(wanted), 1e-300))


def farthest(nudged: Nudged) -> torch.Tensor:
    """How far the nudge moves the unit moved most, of each sample."""
    moves = [r.slope.abs().amax(1) for r in nudged.responses.values() if r.slope is not None]
    return torch.stack(moves).amax(0) * torch.as_tensor(nudged.beta).abs().squeeze()


@pytest.mark.parametrize(("share", "factor"), [(0.0, 1.0), (0.5, 0.55), (1.0, 0.1)])
def test_a_linear_schedule_ends_at_a_tenth(share: float, factor: float) -> None:
    text = edited(("beta: 0.5", "beta: 0.5, schedule: linear"))
    assert phases_of(text, Moment(7, share))[0].beta == pytest.approx(0.5 * factor)
    assert phases_of(TEXT, Moment(7, share))[0].beta == 0.5


def test_the_bias_falls_with_the_schedule() -> None:
    text = edited(("beta: 0.5", "beta: 0.5, schedule: linear"))
    begin, end, outside = (phases_of(text, m)[1] for m in (Moment(0, 0.0), Moment(9, 1.0), None))
    assert begin == outside
    assert end < 0.02 * begin  # a hundredth by beta^2


@pytest.mark.parametrize("phases", ["centered", "frozen", "one_sided", "random_sign"])
@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("radius", [0.3, 0.68])
def test_auto_stays_in_the_linear_range(phases: str, scale: float, radius: float) -> None:
    how = ("beta: 0.5", f"beta: auto, linear_range: 0.1, phases: {phases}")
    nudged, error = phases_of(edited(("radius: 0.5", f"radius: {radius}"), how), scale=scale)
    assert isinstance(nudged.beta, torch.Tensor)
    moved = farthest(nudged)
    assert float(moved.max()) <= 0.1 * SLACK
    pulled = (nudged.output_error * nudged.beta).abs().amax(1)
    assert float(pulled.max()) <= 0.1 * (1 + 1e-9)
    assert float(torch.maximum(moved, pulled).min()) > 0.1 / 1.1  # and it is the largest such beta
    assert error < (0.01 if phases in ("centered", "frozen") else 0.2)


def test_a_fixed_beta_does_not() -> None:
    nudged, error = phases_of(edited(("radius: 0.5", "radius: 0.68")), scale=30.0)
    assert float(farthest(nudged).max()) > 0.5
    assert error > 0.1


def test_auto_of_a_softmax_readout_and_of_saturated_units() -> None:
    soft = ("role: output, neuron: unit", "role: output, activation: softmax")
    text = edited(AUTO, soft, ("beta: auto", "beta: auto, cost: cross_entropy"))
    text = text.replace(", weight: {spectral_radius: 0.5}}\nequ", "}\nequ")
    nudged, error = phases_of(text)
    assert float(farthest(nudged).max()) <= 0.05 * SLACK
    assert error < 0.002
    held = edited(
        AUTO, ("activation: tanh", "activation: hard_sigmoid"), ("neuron: unit}", "neuron: unit, bias: 9.0}")
    )
    nudged, _ = phases_of(held)
    assert bool(torch.isfinite(torch.as_tensor(nudged.beta)).all())
    assert float(farthest(nudged).max()) == 0.0


def test_a_sample_has_the_beta_it_has_alone() -> None:
    net = build(parse_spec(edited(AUTO)), seed=3)
    model = EquilibriumNetwork(net, torch.float64)
    features = torch.from_numpy(np.random.default_rng(0).uniform(0.0, 1.0, (6, 8)))
    target = torch.eye(3, dtype=torch.float64)[torch.arange(6) % 3]

    def betas(rows: slice) -> torch.Tensor:
        free = free_phase(model, features[rows])
        return torch.as_tensor(nudged_phase(model, free, target[rows]).beta)

    whole = betas(slice(None))
    assert torch.allclose(betas(slice(2, 3)), whole[2:3], rtol=1e-9)
    assert len(whole.unique()) == 6


def test_it_is_written_and_read_back() -> None:
    for text in (edited(AUTO), edited(("beta: 0.5", "beta: auto, linear_range: 0.2")), TEXT):
        assert parse_spec(write_spec(parse_spec(text))) == parse_spec(text)


@pytest.mark.parametrize(
    ("nudge", "message"),
    [
        ("beta: aut", r"nudge\.beta: 'aut' is neither a number nor auto; write one of them"),
        ("beta: 0", r"nudge\.beta: 0 is out of range; write a number > 0, or auto"),
        ("beta: -.inf", r"nudge\.beta: -inf is out of range; write a number > 0, or auto"),
        ("beta: true", r"nudge\.beta: true is out of range; write a number > 0, or auto"),
        ("beta: null", r"nudge\.beta: is empty; write a number, or auto"),
        ("schedule: linaer", r"nudge\.schedule: unknown choice 'linaer'; did you mean 'linear'\?"),
        ("beta: auto, schedule: linear", r"nudge\.schedule: beta: auto follows the response and no schedule"),
        ("beta: auto, max_current: 0.1", r"nudge\.max_current: beta: auto keeps every current within linear"),
        (
            "beta: 0.1, linear_range: 0.1",
            r"nudge\.linear_range: only beta: auto looks at the response; write",
        ),
    ],
)
def test_mistakes_are_told(nudge: str, message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        parse_spec(edited(("beta: 0.5", nudge)))
