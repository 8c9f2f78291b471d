"""A settle tells how it ended, and one that diverges changes nothing."""

import re
from typing import Any

import numpy as np
import pytest
import torch

from mep_neuro.backends.load import load
from mep_neuro.equilibrium.fixed_point import FixedPoint
from mep_neuro.equilibrium.learning.trainer import Trainer
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase, nudged_phase
from mep_neuro.equilibrium.settle import SOLVERS
from mep_neuro.errors import DataError, SettleError, StimulusError, UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.coupling import coupled_map, spectral_radius
from mep_neuro.topology.spec import NetworkSpec

EVERY_SOLVER = pytest.mark.parametrize("solver", sorted(SOLVERS))


def chain(
    activation: str, radius: float, dtype: torch.dtype = torch.float64, **equilibrium: Any
) -> EquilibriumNetwork:
    """8 inputs, two settling populations of 8, positive weights of a given radius, read out by softmax."""
    dense = {"connector": {"type": "dense"}}
    spec = NetworkSpec.model_validate(
        {
            "name": "chain",
            "neurons": {"unit": {"activation": activation}},
            "populations": {
                "input": {"shape": [8], "role": "input"},
                "h1": {"shape": [8], "neuron": "unit", "bias": 0.1},
                "h2": {"shape": [8], "neuron": "unit", "bias": 0.1},
                "output": {"shape": [3], "role": "output", "activation": "softmax"},
            },
            "projections": {
                "in": {"pre": "input", "post": "h1", **dense},
                "inner": {"pre": "h1", "post": "h2", **dense},
                "out": {"pre": "h2", "post": "output", **dense},
            },
            "equilibrium": {"nudge": {"cost": "cross_entropy"}},
        }
    )
    network = build(spec)
    arrays = network.arrays()
    for name in ("in", "inner"):
        arrays[f"projections.{name}.weight"] = np.abs(arrays[f"projections.{name}.weight"])
    positive = network.with_arrays(arrays)
    arrays["projections.inner.weight"] *= radius / spectral_radius(coupled_map(positive))
    return EquilibriumNetwork(network.with_arrays(arrays), dtype)


def features(samples: int = 5) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).uniform(0.0, 1.0, (samples, 8)))


@EVERY_SOLVER
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_settled_batch_says_so(solver: str, dtype: torch.dtype) -> None:
    model = chain("tanh", 0.5, dtype)
    point = free_phase(model, features(), solver=solver, tolerance=1e-5).point
    assert bool(point.settled.all())
    assert float(point.residual.max()) <= 1e-5
    assert all(state.dtype == dtype for state in point.states.values())
    assert re.fullmatch(
        r"settled: residual \d\.\de-\d\d after at most \d+ steps \(tolerance 1e-05\)", point.status
    )


@EVERY_SOLVER
def test_the_residual_is_the_distance_from_rest(solver: str) -> None:
    """Of the states that are given out, not of those a step before; computed here by hand."""
    model = chain("tanh", 0.9)
    for steps in (1, 2, 5):
        free = free_phase(model, features(), solver=solver, tolerance=1e-300, max_steps=steps)
        h1, h2 = free.point.states["h1"], free.point.states["h2"]
        weight = model.weights["inner"]
        gap1 = (torch.tanh(free.drive["h1"] + h2 @ weight) - h1).abs().amax(1)
        gap2 = (torch.tanh(free.drive["h2"] + h1 @ weight.T) - h2).abs().amax(1)
        assert torch.allclose(free.point.residual, torch.maximum(gap1, gap2), rtol=0, atol=1e-14)


@EVERY_SOLVER
def test_too_few_steps_are_told(solver: str) -> None:
    point = free_phase(chain("tanh", 0.9), features(), solver=solver, tolerance=1e-9, max_steps=4).point
    assert not bool(point.settled.any())
    assert point.steps.tolist() == [4] * 5
    assert re.fullmatch(
        r"not settled: 5 of 5 samples after 4 steps \(residual \d\.\de-\d\d, tolerance 1e-09\); "
        r"raise max_steps or lower the spectral bound",
        point.status,
    )


def test_a_part_of_the_batch_may_settle() -> None:
    residual = torch.tensor([1e-6, 3e-3, 1e-4])
    point = FixedPoint({}, residual, torch.tensor([3, 9, 4]), 1e-4)
    assert point.settled.tolist() == [True, False, True]  # at the tolerance is settled
    assert point.status.startswith("not settled: 1 of 3 samples after 9 steps (residual 3.0e-03,")


def test_a_spiking_phase_speaks_of_its_slots() -> None:
    residual = torch.tensor([1e-3, 7e-2])
    point = FixedPoint({}, residual, torch.tensor([32, 32]), 5e-2, slots=True)
    assert point.status == (
        "not settled: 1 of 2 samples after 32 slots (residual 7.0e-02, what the read-out tells 5e-02); "
        "raise equilibrium.slots or lower the spectral bound"
    )
    rested = FixedPoint({}, residual, torch.tensor([32, 32]), 1e-1, slots=True)
    assert rested.status == "settled: residual 7.0e-02 after 32 slots (what the read-out tells 1e-01)"
    free = free_phase(load("digits_mlp", neuron="sif"), torch.zeros(2, 64))
    assert "after 128 slots" in free.point.status


def test_a_residual_that_is_no_number_is_not_settled() -> None:
    point = FixedPoint({}, torch.tensor([1e-6, torch.nan]), torch.tensor([3, 9]), 1e-4)
    assert point.settled.tolist() == [True, False]
    assert point.status.startswith("not settled: 1 of 2 samples")


@EVERY_SOLVER
def test_a_bounded_network_may_cycle_and_is_not_called_settled(solver: str) -> None:
    """Inhibition of radius 6 among hard sigmoids: all at once they swing, and it must be told."""
    model = chain("hard_sigmoid", 6.0)
    model.weights["inner"].neg_()
    model.weights_changed()
    point = free_phase(model, features(), solver=solver).point
    assert all(bool(torch.isfinite(state).all()) for state in point.states.values())
    h1, h2 = point.states["h1"], point.states["h2"]
    still = (free_phase(model, features()).drive["h1"] + h2 @ model.weights["inner"]).clamp(0, 1) - h1
    assert ((still.abs().amax(1) <= 1e-4) | ~point.settled).all()
    assert h2.shape == (5, 8)


@pytest.mark.parametrize("solver", sorted(set(SOLVERS) - {"anderson"}))
def test_divergence_raises_with_the_weights_unchanged(solver: str) -> None:
    model = chain("relu", 3.0, torch.float32)
    before = model.arrays()
    with pytest.raises(SettleError, match=r"grows without bound at step \d+ .*; lower the weights or set"):
        free_phase(model, features(), solver=solver)
    assert_same(before, model.arrays())


def test_anderson_goes_back_from_divergence_and_tells_that_it_did_not_settle() -> None:
    """Its safeguard undoes every rise, so nothing grows, and nothing rests."""
    point = free_phase(chain("relu", 3.0, torch.float32), features(), solver="anderson").point
    assert not bool(point.settled.any())
    assert point.status.startswith("not settled: 5 of 5 samples after 200 steps")


@EVERY_SOLVER
def test_what_is_not_finite_raises(solver: str) -> None:
    model = chain("tanh", 0.5)
    model.weights["inner"][0, 0] = torch.nan
    model.weights_changed()
    with pytest.raises(SettleError, match=r"^settle: the state is not finite at step \d+"):
        free_phase(model, features(), solver=solver)


def test_a_nudged_phase_that_diverges_raises() -> None:
    model = chain("tanh", 0.5)
    free = free_phase(model, features())
    model.weights["inner"][0, 0] = torch.nan
    model.weights_changed()
    for phases in ("centered", "one_sided"):
        with pytest.raises(SettleError, match="is not finite"):
            nudged_phase(model, free, torch.zeros(5, 3), phases=phases)


def test_training_on_a_network_that_diverges_leaves_it_as_it_was() -> None:
    """Radius 3 without a bound: the first phase of the first update."""
    model = chain("relu", 3.0, torch.float32)
    trainer = Trainer(model, features(9).numpy(), np.arange(9) % 3, epochs=2)
    before, state = model.arrays(), trainer.state()
    with pytest.raises(SettleError, match="grows without bound"):
        trainer.advance()
    assert_same(before, model.arrays())
    assert_same(state, trainer.state())
    assert trainer.update == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (torch.zeros(3, 7), r"population 'input': features have shape \(3, 7\); give \(samples, 64\)"),
        (torch.zeros(64), r"features have shape \(64,\); give \(samples, 64\)"),
    ],
)
def test_features_that_do_not_fit_are_refused(wrong: torch.Tensor, message: str) -> None:
    with pytest.raises(StimulusError, match=message):
        free_phase(load("digits_mlp"), wrong)


@EVERY_SOLVER
def test_features_that_are_no_numbers_are_told_as_such(solver: str) -> None:
    x = torch.zeros(3, 64)
    x[1, 40] = torch.nan
    with pytest.raises(StimulusError, match=r"'input': feature 40 of sample 1 is nan; give finite"):
        free_phase(load("digits_mlp"), x, solver=solver)


def test_the_phases_refuse_what_is_out_of_range() -> None:
    model, x = chain("tanh", 0.5), features()
    free, target = free_phase(model, x), torch.zeros(5, 3)
    for wrong, message in (
        ({"solver": "sweep"}, r"settle: solver 'sweep' is out of range; give one of sweeps, "),
        ({"tolerance": 0.0}, r"settle: tolerance 0\.0 is out of range; give a number > 0"),
        ({"max_steps": 0}, r"settle: max_steps 0 is out of range; give a whole number >= 1"),
    ):
        with pytest.raises(UnsupportedError, match=message):
            free_phase(model, x, **wrong)
    with pytest.raises(UnsupportedError, match=r"no phases 'both'; give one of centered, frozen, one_sided"):
        nudged_phase(model, free, target, phases="both")
    with pytest.raises(UnsupportedError, match="beta 0 moves nothing; give another number"):
        nudged_phase(model, free, target, beta=0.0)
    for shape in ((1, 3), (5,), (3, 3)):  # the first would be taken for the target of every sample
        with pytest.raises(DataError, match=r"target has shape \(.*\); give \(5, 3\)"):
            nudged_phase(model, free, torch.zeros(shape))
    with pytest.raises(StimulusError, match=r"shape \(0, 8\); give \(samples, 8\), at least one"):
        free_phase(model, x[:0])


def test_features_in_numpy_are_taken() -> None:
    model, x = chain("tanh", 0.5), features()
    assert_same(free_phase(model, x).point.states, free_phase(model, x.numpy()).point.states)


def test_a_network_keeps_the_dtype_that_it_was_loaded_with() -> None:
    model = load("digits_mlp", dtype="float64")
    assert free_phase(model, torch.zeros(1, 64)).point.states["hidden"].dtype == torch.float64
    assert model.double() is model
    with pytest.raises(
        UnsupportedError, match=r"made for torch\.float64 on the CPU, not torch\.float32 on cpu"
    ):
        model.float()
    with pytest.raises(UnsupportedError, match=r"load: no dtype 'half'; give one of float32, float64"):
        load("digits_mlp", dtype="half")


def assert_same(a: Any, b: Any) -> None:
    assert set(a) == set(b)
    for name in a:
        assert np.array_equal(a[name], b[name]), name
