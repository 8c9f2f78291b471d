"""A check of a bound holds until the weights may have moved by what it left, and no longer."""

import pytest
import torch

from mep_neuro.equilibrium.bounds.certificate import SLACK, Certificate
from mep_neuro.equilibrium.bounds.matrix_bound import MatrixBound
from mep_neuro.errors import SettleError

SHAPE, GAMMA, UPDATES = (90, 80), 0.9, 120


def drifting(monkeypatch: pytest.MonkeyPatch | None = None) -> tuple[list[float], int]:
    """Largest singular values after small steps of growth, and the checks that they took."""
    if monkeypatch is not None:
        monkeypatch.setattr(Certificate, "at_most", lambda self: self.radius)  # counts no change
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(SHAPE, generator=generator) / SHAPE[1] ** 0.5
    left, _, right = torch.linalg.svd(weight)
    growth = torch.outer(left[:, 0], right[0])  # of the leading direction, which an old check would miss
    bound, values = MatrixBound([(weight, GAMMA)]), []
    for _ in range(UPDATES):
        weight += 2e-3 * growth
        weight += 1e-5 * torch.randn(SHAPE, generator=generator)
        bound.enforce()
        values.append(float(torch.linalg.svdvals(weight)[0]))
    return values, bound.certificates[0].checks


def test_the_bound_holds_after_every_update_with_few_checks() -> None:
    values, checks = drifting()
    assert max(values) <= GAMMA
    assert max(values) > (1.0 - SLACK) * GAMMA  # updates used what a check had left to them
    assert checks < UPDATES / 5


def test_a_certificate_that_counts_no_change_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    values, checks = drifting(monkeypatch)
    assert max(values) > GAMMA
    assert checks == 1


@pytest.mark.parametrize("rank", [1, 5, 80])
def test_the_radius_is_never_more_than_it_says(rank: int) -> None:
    """Of changes of any rank, along the leading direction or not."""
    generator = torch.Generator().manual_seed(rank)
    weight = torch.randn(SHAPE, generator=generator, dtype=torch.float64)
    certificate = Certificate({"w": weight}, {"w": 0.25})
    certificate.renew(0.5 * float(torch.linalg.svdvals(weight)[0]))
    for _ in range(20):
        left = torch.randn(SHAPE[0], rank, generator=generator, dtype=torch.float64)
        right = torch.randn(rank, SHAPE[1], generator=generator, dtype=torch.float64)
        weight += 0.1 * left @ right
        # In float64 the sums round at 1e-16 times the number of terms.
        assert 0.5 * float(torch.linalg.svdvals(weight)[0]) <= certificate.at_most() * (1 + 1e-12)


def test_before_the_first_check_it_says_nothing() -> None:
    certificate = Certificate({"w": torch.zeros(2, 2)}, {"w": 1.0})
    assert certificate.at_most() == float("inf")
    certificate.load_state(certificate.state())
    assert certificate.at_most() == float("inf")


def test_weights_that_are_not_numbers_are_checked() -> None:
    weight = torch.eye(100)
    bound = MatrixBound([(weight, 2.0)])
    bound.enforce()
    weight[0, 0] = torch.nan
    with pytest.raises((SettleError, torch.linalg.LinAlgError), match=r"not finite|not converge|failed to"):
        bound.enforce()


def test_what_it_knows_goes_on() -> None:
    weight = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)) / 9.0
    first, second = MatrixBound([(weight, GAMMA)]), MatrixBound([(weight, GAMMA)])
    first.enforce()
    second.load_state(first.state())
    weight.mul_(1.0 + 1e-3)
    assert second.enforce() == first.enforce()
    assert second.certificates[0].checks == 0
