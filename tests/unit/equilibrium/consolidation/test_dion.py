"""Dion's steps: orthonormal, of the rank, warm-started; what a step leaves out comes back in later ones."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mep_neuro.equilibrium.consolidation.dion import Dion, dion, first_basis, rank_of

ROWS, COLUMNS = 24, 16


def drawn(seed: int = 0, rows: int = ROWS, columns: int = COLUMNS, dtype: Any = torch.float64) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def stepped(gradients: list[Tensor], **settings: Any) -> tuple[list[Tensor], Dion]:
    """The change of the weights by each gradient."""
    parameter = nn.Parameter(torch.zeros_like(gradients[0]))
    optimizer = Dion([parameter], lr=1.0, **settings)
    changes = []
    for gradient in gradients:
        before, parameter.grad = parameter.detach().clone(), gradient.clone()
        optimizer.step()
        changes.append(parameter.detach() - before)
    return changes, optimizer


def test_repeated_steps_on_one_gradient_find_its_leading_directions() -> None:
    """Warm start: the n-th step is the n-th power iteration, so P Q^T tends to U_r V_r^T."""
    gradient = drawn()
    u, _, vh = torch.linalg.svd(gradient)
    best = -u[:, :4] @ vh[:4] * (ROWS / COLUMNS) ** 0.5
    # momentum 0 and no feedback: B is the gradient itself at every step.
    changes, _ = stepped([gradient] * 400, rank=4, momentum=0.0, error_feedback=False)
    assert float((changes[-1] - best).abs().max()) < 1e-6
    cold, _ = stepped([gradient], rank=4, momentum=0.0, error_feedback=False)
    assert float((cold[0] - best).abs().max()) > 0.1  # the basis is kept between steps, or this is all


def test_a_step_of_full_rank_is_near_orthogonal_once_warm() -> None:
    changes, _ = stepped([drawn()] * 400, rank_frac=1.0, momentum=0.0, error_feedback=0.0)
    values = torch.linalg.svdvals(changes[-1]) / (ROWS / COLUMNS) ** 0.5
    assert float((values - 1).abs().max()) < 1e-3


def test_the_step_has_the_rank_and_the_scale_of_muon() -> None:
    changes, _ = stepped([drawn(seed) for seed in range(5)], rank=3)
    values = torch.linalg.svdvals(changes[-1]) / (ROWS / COLUMNS) ** 0.5
    assert float(values[3]) < 1e-12
    assert 0.3 < float(values[2]) <= float(values[0]) < 1.8  # columns of length 1, not quite at right angles


@pytest.mark.parametrize("feedback", [0.0, 0.5, 1.0])
def test_the_momentum_keeps_what_the_step_left_out(feedback: float) -> None:
    """The residual decays by mu + (1 - mu) e, what was applied by mu: in the gradient's own scale."""
    momentum, gradient = 0.9, drawn()
    buffer, basis = gradient.clone(), first_basis(gradient, 4)
    left, _ = dion(buffer, basis, momentum, feedback)
    applied = left @ (left.T @ gradient)
    kept = momentum + (1 - momentum) * feedback
    assert torch.allclose(buffer, momentum * applied + kept * (gradient - applied), rtol=0, atol=1e-14)


def test_feedback_applies_what_a_rank_of_one_cannot_at_once() -> None:
    """Rank 1 on a gradient of two directions: with feedback the weaker one gets its turn, without hardly."""
    gradient = torch.diag(torch.tensor([1.0, 0.5, 0.0, 0.0], dtype=torch.float64))

    def weaker(feedback: float) -> float:
        changes, _ = stepped([gradient] * 60, rank=1, momentum=0.5, error_feedback=feedback)
        total = torch.stack(changes[20:]).sum(0)
        return float(total[1, 1] / total[0, 0])

    assert weaker(0.0) < 1e-3
    assert weaker(1.0) > 0.1


def test_the_momentum_never_leaves_the_scale_of_the_gradient() -> None:
    """The prior error feedback kept gradient - step: 1e4 times the gradient here, and undid its steps."""
    changes, optimizer = stepped([1e-4 * drawn(seed) + 1e-4 for seed in range(50)], rank=4)
    (state,) = optimizer.state.values()
    assert float(state["momentum_buffer"].norm()) < 100 * 1e-4 * ROWS**0.5 * COLUMNS**0.5
    # Every step still goes down: against the mean gradient, a constant.
    assert all(float(change.sum()) < 0 for change in changes[5:])


def test_a_gradient_of_zero_moves_nothing() -> None:
    changes, _ = stepped([torch.zeros(ROWS, COLUMNS)] * 3, rank=4)
    assert all(bool((change == 0).all()) for change in changes)


def test_directions_at_the_rounding_of_the_gradient_are_no_steps() -> None:
    one = torch.outer(drawn()[:, 0], drawn(1)[0]).float()
    changes, _ = stepped([one], rank=8)
    values = torch.linalg.svdvals(changes[0])
    assert float(values[1]) < 1e-3 * float(values[0])


def test_a_basis_that_lost_a_direction_finds_it_again() -> None:
    one = torch.outer(drawn()[:, 0], drawn(1)[0])
    changes, _ = stepped([one, *[drawn(seed) for seed in range(2, 5)]], rank=4)
    assert float(torch.linalg.svdvals(changes[-1])[3]) > 0.3


def test_maximize_and_weight_decay() -> None:
    down, _ = stepped([drawn()], rank=4)
    up, _ = stepped([drawn()], rank=4, maximize=True)
    assert torch.allclose(down[0], -up[0])
    parameter = nn.Parameter(torch.ones(4, 4))
    parameter.grad = torch.zeros(4, 4)
    Dion([parameter], lr=0.5, weight_decay=0.2).step()
    assert torch.allclose(parameter, torch.full((4, 4), 0.9))


def test_the_state_goes_on_bit_for_bit() -> None:
    gradients = [drawn(seed, dtype=torch.float32) for seed in range(6)]

    def trained(stop_at: int | None) -> Tensor:
        parameter = nn.Parameter(torch.zeros(ROWS, COLUMNS))
        optimizer = Dion([parameter], lr=0.1, rank=4)
        for number, gradient in enumerate(gradients):
            if number == stop_at:
                state, optimizer = optimizer.state_dict(), Dion([parameter], lr=5.0)
                optimizer.load_state_dict(state)
            parameter.grad = gradient.clone()
            optimizer.step()
        return parameter.detach()

    assert torch.equal(trained(3), trained(None))


def test_a_closure_is_called_with_gradients_on() -> None:
    parameter = nn.Parameter(torch.ones(4, 4))
    optimizer = Dion([parameter])

    def closure() -> float:
        optimizer.zero_grad()
        loss = parameter.square().sum()
        loss.backward()
        return float(loss.detach())

    assert optimizer.step(closure) == 16.0
    assert float(parameter.detach().square().sum()) < 16.0


@pytest.mark.parametrize(
    ("rank", "frac", "expected"), [(None, 0.25, 4), (7, 0.1, 7), (99, 0.1, 16), (None, 0.01, 1)]
)
def test_the_rank(rank: int | None, frac: float, expected: int) -> None:
    assert rank_of(drawn(), rank, frac) == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": -1.0}, "Dion: lr -1.0 is out of range; give a number >= 0"),
        ({"rank": 0}, "Dion: rank 0 is out of range; give an integer >= 1"),
        ({"rank_frac": 0.0}, "Dion: rank_frac 0.0 is out of range; give above 0, at most 1"),
        ({"momentum": 1.0}, "Dion: momentum 1.0 is out of range; give from 0, below 1"),
        ({"error_feedback": 1.5}, "Dion: error_feedback 1.5 is out of range; give from 0 to 1"),
        ({"weight_decay": -0.1}, "Dion: weight_decay -0.1 is out of range"),
    ],
)
def test_what_is_out_of_range_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        Dion([nn.Parameter(drawn())], **settings)


def test_a_parameter_that_is_no_matrix_is_refused() -> None:
    optimizer = Dion([nn.Parameter(drawn())])
    with pytest.raises(ValueError, match=r"shape \(5,\) is no matrix; give it to Adam or SGD"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(5))]})
    assert len(optimizer.param_groups) == 1
