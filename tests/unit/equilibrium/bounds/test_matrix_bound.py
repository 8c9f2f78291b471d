"""After every step the bound holds by full SVD, whatever the step; 'soft' goes there little by little."""

import pytest
import torch
from torch import Tensor

from mep_neuro.equilibrium.bounds.certificate import MARGIN, SLACK
from mep_neuro.equilibrium.bounds.matrix_bound import MatrixBound

GAMMA = 0.95
SHAPES = [(256, 784), (96, 80), (10, 256), (80, 130)]


def largest(weight: Tensor) -> float:
    return float(torch.linalg.svdvals(weight.view(len(weight), -1))[0])


def drawn(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """A random step of one of the kinds that learning makes: dense, of rank 1, orthogonal, tiny."""
    rows, columns = shape
    kind = int(torch.randint(4, (), generator=generator))
    if kind == 0:
        return torch.randn(shape, generator=generator) * 0.3 / columns**0.5
    if kind == 1:
        left, right = torch.randn(rows, generator=generator), torch.randn(columns, generator=generator)
        return 0.5 * torch.outer(left / left.norm(), right / right.norm())
    if kind == 2:
        long = torch.randn(max(shape), min(shape), generator=generator)
        q = torch.linalg.qr(long).Q
        return 0.05 * (q if rows >= columns else q.T)
    return torch.randn(shape, generator=generator) * 1e-4


def held(updates: int, shape: tuple[int, ...], *, seed: int = 0) -> list[float]:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(shape, generator=generator) / shape[1] ** 0.5
    bound, values = MatrixBound([(weight, GAMMA)]), []
    for _ in range(updates):
        weight += drawn(shape, generator)
        bound.enforce()
        values.append(largest(weight))
    return values


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_holds_after_every_update(shape: tuple[int, ...]) -> None:
    values = held(40, shape)
    assert max(values) <= GAMMA
    # It was at work, and takes little more than it must: slack and margin.
    assert max(values) > 0.99 * (1 - SLACK) / MARGIN * GAMMA


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_holds_after_each_of_a_thousand_updates(shape: tuple[int, ...]) -> None:
    assert max(held(1000, shape, seed=1)) <= GAMMA


def test_one_power_iteration_without_a_margin_would_not_hold() -> None:
    """The planted bug: what the prior system did."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(96, 80, generator=generator) / 80**0.5
    vector, values = torch.randn(80, generator=generator), []
    for _ in range(40):
        weight += drawn((96, 80), generator)
        image = weight @ vector
        vector = weight.T @ (image / image.norm())
        weight *= min(1.0, GAMMA / float(vector.norm()))
        values.append(largest(weight))
    assert max(values) > GAMMA


def test_a_kernel_is_bounded_as_a_matrix_of_its_filters() -> None:
    kernel = torch.randn(8, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    MatrixBound([(kernel, 0.5)]).enforce()
    assert 0.48 < largest(kernel) <= 0.5


def test_soft_goes_a_tenth_of_the_way() -> None:
    weight = torch.diag(torch.tensor([2.0, 1.0]))
    bound = MatrixBound([(weight, 0.5)], "soft")
    bound.enforce()
    # The margin of 1.01 is on the value: log(2.02 / 0.5) of the way, a tenth of it.
    assert float(weight[0, 0]) == pytest.approx(2.0 * (0.5 / 2.02) ** 0.1, rel=1e-5)
    for _ in range(200):
        bound.enforce()
    assert float(weight[0, 0]) == pytest.approx(0.5 / 1.01, rel=1e-4)


def test_without_a_gamma_a_matrix_is_left() -> None:
    weight = torch.eye(3) * 5
    assert MatrixBound([(weight, None)]).enforce() is None
    assert float(weight[0, 0]) == 5.0
