"""From contrasts to weights: the optimizers' own steps, the period, and refusal of what is not finite."""

from typing import Any

import numpy as np
import pytest
import torch

from mep_neuro.backends.load import load
from mep_neuro.equilibrium.learning.learner import ADAM_EPSILON, Learner
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.errors import SettleError
from mep_neuro.topology.reader import read_spec

HIDDEN = "projections.input_hidden.weight"
BIAS = "populations.hidden.bias"


def made(optimizer: str, period: int = 1, bound: float | None = None, **learning: Any) -> EquilibriumNetwork:
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["learning"] |= {"optimizer": "adam" if optimizer == "adam" else "sgd", "lr": 0.1, **learning}
    method = "muon" if optimizer == "muon" else "none"
    mapping["consolidation"] = {"method": method, "period": f"{period} updates", "lr": 0.05}
    if bound is not None:
        mapping["consolidation"]["spectral_bound"] = bound
    return load(mapping)


def contrasts(model: EquilibriumNetwork, number: int, seed: int = 0) -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    names = [name for name in model.arrays() if not name.endswith(".offset")]
    shapes = {name: model.arrays()[name].shape for name in names}
    return [
        {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
        for _ in range(number)
    ]


def moved(model: EquilibriumNetwork, before: dict[str, Any], name: str = HIDDEN) -> Any:
    return model.arrays()[name] - before[name]


def test_sgd_climbs_the_contrast() -> None:
    model = made("sgd", momentum=0.0)
    before, (one,) = model.arrays(), contrasts(model, 1)
    Learner(model).update(one)
    for name, value in one.items():
        # float32 weights near 1: half a unit in the last place, before and after.
        assert np.allclose(moved(model, before, name), 0.1 * value.numpy(), rtol=0, atol=3e-7), name


def test_sgd_has_the_momentum_of_the_file() -> None:
    model = made("sgd", momentum=0.5)
    before, (one,) = model.arrays(), contrasts(model, 1)
    learner = Learner(model)
    for _ in range(2):
        learner.update(one)
    assert np.allclose(moved(model, before), 0.1 * (1 + 1.5) * one[HIDDEN].numpy(), rtol=0, atol=1e-6)


def test_adam_moves_by_the_learning_rate_however_small_the_contrast() -> None:
    model = made("adam")
    before, (one,) = model.arrays(), contrasts(model, 1)
    tiny = {name: 1e-7 * value for name, value in one.items()}
    Learner(model).update(tiny)
    # The first step of Adam is lr c / (|c| + epsilon).
    c = tiny[HIDDEN].numpy()
    assert np.allclose(moved(model, before), 0.1 * c / (np.abs(c) + ADAM_EPSILON), rtol=0, atol=1e-5)


def test_muon_steps_are_near_orthogonal() -> None:
    model = made("muon")
    before, (one,) = model.arrays(), contrasts(model, 1)
    Learner(model).update(one)

    def share_near_the_largest(matrix: Any) -> float:
        values = np.linalg.svd(matrix, compute_uv=False)
        return float((values > 0.5 * values[0]).mean())

    # Muon's five Newton-Schulz steps bring all but the smallest singular values between 0.7 and 1.2
    # (Jordan 2024); of a square Gaussian matrix about 40 % are above half the largest.
    assert share_near_the_largest(one[HIDDEN].numpy()) < 0.5
    assert share_near_the_largest(moved(model, before)) > 0.95
    assert float((moved(model, before) * one[HIDDEN].numpy()).sum()) > 0  # and it climbs


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "muon"])
def test_the_rate_factor_scales_every_step(optimizer: str) -> None:
    steps = []
    for factor in (1.0, 0.25):
        model = made(optimizer, momentum=0.0)
        before, (one,) = model.arrays(), contrasts(model, 1)
        Learner(model).update(one, factor)
        steps.append([moved(model, before), moved(model, before, BIAS)])
    for whole, part in zip(*steps, strict=True):
        assert np.abs(whole).max() > 1e-3
        assert np.allclose(part, 0.25 * whole, rtol=0, atol=3e-7)


def test_muon_takes_the_sum_of_a_period_at_its_end() -> None:
    model, at_once = made("muon", period=3), made("muon")
    before, three = model.arrays(), contrasts(model, 3)
    learner = Learner(model)
    for number, one in enumerate(three, start=1):
        learner.update(one)
        assert bool(moved(model, before).any()) == (number == 3)
        assert moved(model, before, BIAS).any()  # what Muon does not act on learns at every update
    Learner(at_once).update({name: (three[0][name] + three[1][name]) + three[2][name] for name in three[0]})
    assert np.array_equal(model.arrays()[HIDDEN], at_once.arrays()[HIDDEN])


def test_a_period_begins_anew() -> None:
    """The second period takes its own contrasts alone: with nothing in it, only momentum moves."""
    model, other = made("muon", period=2), made("muon", period=1)
    one, two = contrasts(model, 2)
    nothing = {name: torch.zeros_like(value) for name, value in one.items()}
    learner, plain = Learner(model), Learner(other)
    for contrast in (one, two, nothing, nothing):
        learner.update(contrast)
    plain.update({name: one[name] + two[name] for name in one})
    plain.update(nothing)
    assert np.array_equal(model.arrays()[HIDDEN], other.arrays()[HIDDEN])


def test_the_bound_acts_at_the_end_of_a_period() -> None:
    model = made("muon", period=2, bound=0.05)
    learner = Learner(model)
    start = float(torch.linalg.matrix_norm(model.weights["hidden_output"], 2))
    assert start > 0.1
    one, two = contrasts(model, 2)
    learner.update(one)
    assert learner.radius is None
    assert float(torch.linalg.matrix_norm(model.weights["hidden_output"], 2)) == pytest.approx(start)
    learner.update(two)
    assert learner.radius is not None
    assert learner.radius <= 0.05
    assert float(torch.linalg.matrix_norm(model.weights["hidden_output"], 2)) <= 0.05


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("name", [HIDDEN, BIAS])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "muon"])
def test_a_contrast_that_is_not_finite_changes_nothing(optimizer: str, name: str, wrong: float) -> None:
    model = made(optimizer, bound=0.9)
    learner = Learner(model)
    one, two = contrasts(model, 2)
    learner.update(one)
    before, state = model.arrays(), learner.state()
    two[name].view(-1)[3] = wrong
    with pytest.raises(
        SettleError, match=rf"^{name}: the contrast is not finite, the weights were left as they are; lower"
    ):
        learner.update(two)
    for key, array in model.arrays().items():
        assert np.array_equal(array, before[key]), key
    for key, value in learner.state().items():
        assert np.array_equal(value, state[key]), key


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "muon"])
def test_its_state_goes_on_bit_for_bit(optimizer: str) -> None:
    """Stopped in the middle of a period, into a learner made anew."""
    model = made(optimizer, period=3, bound=0.3)
    learner, learned = Learner(model), contrasts(model, 7)
    for one in learned[:4]:
        learner.update(one)
    again = made(optimizer, period=3, bound=0.3)
    again.load_arrays(model.arrays())
    resumed = Learner(again)
    resumed.load_state(learner.state())
    for one in learned[4:]:
        learner.update(one)
        resumed.update(one)
    assert resumed.radius == learner.radius
    for key, array in model.arrays().items():
        assert np.array_equal(array, again.arrays()[key]), key


def test_what_is_not_plastic_stays() -> None:
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["projections"]["input_hidden"]["plastic"] = False
    mapping["populations"]["hidden"]["plastic_bias"] = False
    model = load(mapping)
    before = model.arrays()
    contrast = contrasts(model, 1)[0]
    Learner(model).update(contrast)
    assert not moved(model, before).any()
    assert not moved(model, before, BIAS).any()
    assert moved(model, before, "projections.hidden_output.weight").any()


def test_auto_gives_large_matrices_to_dion_and_small_ones_to_muon() -> None:
    """The hidden matrix has 64 x 32 weights, the output's 32 x 10."""
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["learning"] |= {"optimizer": "sgd"}
    mapping["consolidation"] = {"method": "auto", "dion_thresh": 1000, "rank": 2, "lr": 0.05}
    model = load(mapping)
    before, (one,) = model.arrays(), contrasts(model, 1)
    Learner(model).update(one)
    large = np.linalg.svd(moved(model, before), compute_uv=False)
    small = np.linalg.svd(moved(model, before, "projections.hidden_output.weight"), compute_uv=False)
    assert large[2] < 1e-4 * large[0]  # rank 2, but for float32's rounding of the weights
    assert small.min() > 0.3 * small.max()  # all directions


def test_the_bound_may_be_each_matrixs_own_and_soft() -> None:
    def norms(**section: Any) -> list[float]:
        mapping = read_spec("digits_mlp").to_mapping()
        mapping["consolidation"] = {"method": "none", "spectral_bound": 0.5, **section}
        model = load(mapping)
        Learner(model).bound_now()
        return [float(torch.linalg.matrix_norm(model.weights[name], 2)) for name in mapping["projections"]]

    free, each, soft = norms(), norms(bound_of="matrices"), norms(bound_of="matrices", bound_mode="soft")
    assert free[0] > 1.0  # the input's is no part of the coupled map
    assert max(each) <= 0.5
    assert each[0] < soft[0] < free[0]


def test_traces_on_which_nothing_arrives_end_at_0_and_never_stay_denormal() -> None:
    """The plain rule e <- 0.9 e does stay there, which is slow."""
    model = made("sgd", momentum=0.9)
    learner, (once,) = Learner(model), contrasts(model, 1)
    plain = once[HIDDEN].clone()
    learner.update(once)
    for _ in range(1199):
        learner.update(learner.nothing())
        plain.mul_(0.9)
    trace = torch.from_numpy(learner.state()[f"eligibility.{HIDDEN}"])
    tiny = torch.finfo(torch.float32).tiny
    assert trace.dtype == torch.float32
    assert bool(((plain != 0) & (plain.abs() < tiny)).any())
    assert bool((trace == 0).all())
