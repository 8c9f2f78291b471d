"""Muon's steps are those of torch.optim.Muon, in more digits; most singular values are near 1."""

import pytest
import torch
from torch import Tensor, nn

import mep_neuro as mep
from mep_neuro.equilibrium.consolidation.muon import TORCHS, Muon, newton_schulz
from mep_neuro.equilibrium.learning.trainer import Trainer, equilibrium_propagation, one_hot

SHAPES = [(256, 784), (64, 32), (32, 64), (10, 256), (30, 30), (128, 128), (256, 64), (5, 4)]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


def drawn(shape: tuple[int, int], seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def steep(shape: tuple[int, int], power: float) -> Tensor:
    """Singular values 1, 2^-power, 3^-power, ..."""
    left, _, right = torch.linalg.svd(drawn(shape), full_matrices=False)
    return (left * torch.arange(1, min(shape) + 1).pow(-power)) @ right


def near_one(matrix: Tensor) -> float:
    values = torch.linalg.svdvals(matrix)
    return float(((values > 0.7) & (values < 1.25)).float().mean())


@shapes
def test_most_singular_values_are_near_one(shape: tuple[int, int]) -> None:
    assert min(near_one(newton_schulz(drawn(shape, seed))) for seed in range(10)) >= 0.8
    assert near_one(newton_schulz(steep(shape, 1.0))) >= 0.8


def test_of_the_contrasts_of_a_network_too() -> None:
    model = mep.load("digits_mlp")
    data = mep.load_data("digits")
    trainer = Trainer(model, data.x_train, data.y_train, epochs=1)
    trainer.prepare()
    for _ in range(10):
        trainer.advance()
    rows = torch.from_numpy(data.x_train[:64]), torch.from_numpy(data.y_train[:64])
    found = equilibrium_propagation(model, rows[0], one_hot(model, rows[1])).contrast
    matrices = [value for value in found.values() if value.ndim == 2]
    assert len(matrices) == 2
    for matrix in matrices:
        values = torch.linalg.svdvals(matrix)
        seen = values > 1e-3 * values[0]  # below it a contrast of 64 samples has rounding and silent units
        orthogonal = torch.linalg.svdvals(newton_schulz(matrix))[seen]
        assert float(((orthogonal > 0.7) & (orthogonal < 1.25)).float().mean()) >= 0.8


def test_torchs_quintic_does_not_pass() -> None:
    assert min(near_one(newton_schulz(drawn((64, 32), s), coefficients=TORCHS)) for s in range(10)) < 0.8


def test_a_cubic_iteration_does_not_pass() -> None:
    """The prior system's: 4.7 % of the singular values after five steps."""
    assert near_one(newton_schulz(drawn((256, 784)), coefficients=(1.5, -0.5, 0.0))) < 0.5


@shapes
def test_the_steps_are_torchs(shape: tuple[int, int]) -> None:
    ours, theirs = nn.Parameter(torch.zeros(shape)), nn.Parameter(torch.zeros(shape))
    settings = {"lr": 0.1, "weight_decay": 0.01, "momentum": 0.9}
    one, other = Muon([ours], ns_coefficients=TORCHS, **settings), torch.optim.Muon([theirs], **settings)
    for seed in range(3):
        ours.grad, theirs.grad = drawn(shape, seed), drawn(shape, seed)
        one.step()
        other.step()
    # torch rounds to bfloat16, 8 bits, in each of 15 products.
    assert float((ours - theirs).detach().norm() / theirs.detach().norm()) < 0.03


def test_a_gradient_of_1e_minus_12_makes_a_whole_step() -> None:
    values = torch.linalg.svdvals(newton_schulz(1e-12 * drawn((20, 30))))
    assert float(values.median()) > 0.7


def test_a_gradient_of_zero_makes_none() -> None:
    assert not bool(newton_schulz(torch.zeros(4, 6)).any())
