"""Muon's steps are those of torch.optim.Muon, in more digits; most singular values are near 1."""

import pytest
import torch
from torch import Tensor, nn

from mep_neuro.equilibrium.muon import Muon, newton_schulz

SHAPES = [(256, 784), (64, 32), (10, 256), (30, 30)]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


def drawn(shape: tuple[int, int], seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_most_singular_values_are_near_one() -> None:
    """92 to 95 % of the large matrices, 78 % of 64 x 32: what the quintic gives, torch's too."""
    values = torch.cat([torch.linalg.svdvals(newton_schulz(drawn(shape))) for shape in SHAPES])
    assert float(((values > 0.7) & (values < 1.25)).float().mean()) >= 0.8


def test_a_cubic_iteration_does_not_pass() -> None:
    """The prior system's: 4.7 % of the singular values after five steps."""
    values = torch.linalg.svdvals(newton_schulz(drawn((256, 784)), coefficients=(1.5, -0.5, 0.0)))
    assert float(((values > 0.7) & (values < 1.25)).float().mean()) < 0.5


@shapes
def test_the_steps_are_torchs(shape: tuple[int, int]) -> None:
    ours, theirs = nn.Parameter(torch.zeros(shape)), nn.Parameter(torch.zeros(shape))
    settings = {"lr": 0.1, "weight_decay": 0.01, "momentum": 0.9}
    one, other = Muon([ours], **settings), torch.optim.Muon([theirs], **settings)
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
