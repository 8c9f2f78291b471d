"""How far estimates fall short of the largest singular value, by full SVD, after changes of many kinds."""

import itertools

import pytest
import torch
from torch import Tensor

from mep_neuro.equilibrium.bounds import certificate, leading
from mep_neuro.equilibrium.bounds.certificate import MARGIN, SMALL_STEP
from mep_neuro.equilibrium.bounds.leading import LEAST_BLOCKS, Leading
from mep_neuro.equilibrium.bounds.matrix_bound import MatrixBound

SHAPE, GAMMA = (110, 96), 0.95
SPECTRA = ("random", "falling")
OBLIVIOUS = ("rank 1", "dense", "orthogonal", "momentum", "the same for long")
ALIGNED = ("one of the leading 24 pairs", "any pair", "any pair past all others")


def begin(spectrum: str, generator: torch.Generator, shape: tuple[int, int]) -> Tensor:
    u, s, v = torch.linalg.svd(torch.randn(shape, generator=generator), full_matrices=False)
    s = torch.exp(-0.05 * torch.arange(len(s))) if spectrum == "falling" else s / s[0]
    return GAMMA * (u * s) @ v


class Changes:
    """Changes of one kind, of a given Frobenius norm except where a pair goes past all others."""

    def __init__(self, kind: str, seed: int = 0) -> None:
        self.kind, self.generator = kind, torch.Generator().manual_seed(seed)
        self.count, self.last = -1, torch.zeros(())

    def of(self, weight: Tensor, size: float) -> Tensor:
        g, (rows, columns) = self.generator, weight.shape
        self.count += 1
        if self.kind in ALIGNED:
            u, s, v = torch.linalg.svd(weight, full_matrices=False)
            j = int(torch.randint(24 if "24" in self.kind else len(s), (), generator=g))
            size = float(s[0] - s[j]) + size if "past" in self.kind else size
            return size * torch.outer(u[:, j], v[j])
        if self.kind == "dense":
            step = torch.randn(weight.shape, generator=g)
        elif self.kind == "orthogonal":
            step = torch.linalg.qr(torch.randn(weight.shape, generator=g)).Q
        elif self.kind == "momentum":
            fresh = torch.randn(rows, 4, generator=g) @ torch.randn(4, columns, generator=g)
            step = 0.9 * self.last + 0.1 * fresh / fresh.norm()
        elif self.kind == "the same for long" and self.count % 20:
            step = self.last
        else:
            step = torch.outer(torch.randn(rows, generator=g), torch.randn(columns, generator=g))
        self.last = step
        return size * step / step.norm()


def largest(weight: Tensor) -> float:
    return float(torch.linalg.matrix_norm(weight, 2))


def shortfall(
    kind: str, spectrum: str, changes: int, shape: tuple[int, int] = SHAPE, blocks: int = LEAST_BLOCKS
) -> float:
    """The largest of true over estimated value, less 1, of calls after changes of any size."""
    generator = torch.Generator().manual_seed(1)
    weight, made = begin(spectrum, generator, shape), Changes(kind)
    known, worst = Leading(shape[1], weight.dtype), -1.0
    for _ in range(changes):
        weight = weight + made.of(weight, 0.4 * float(torch.rand((), generator=generator)))
        value = known.value(lambda rows: rows @ weight.T, lambda rows: rows @ weight, blocks)  # noqa: B023
        true = largest(weight)
        assert value <= true * (1 + 1e-5)  # float32
        worst = max(worst, true / value - 1.0)
        weight *= min(1.0, GAMMA / true)
    return worst


CASES = list(itertools.product((*OBLIVIOUS, *ALIGNED), SPECTRA))
cases = pytest.mark.parametrize(("kind", "spectrum"), CASES)


@cases
def test_a_thorough_estimate_is_within_a_fifth_of_the_margin(kind: str, spectrum: str) -> None:
    assert shortfall(kind, spectrum, 40) < (MARGIN - 1.0) / 5


@pytest.mark.slow
@cases
@pytest.mark.parametrize("shape", [(784, 256), (200, 100), (600, 512)], ids=str)
def test_so_it_is_after_hundreds(kind: str, spectrum: str, shape: tuple[int, int]) -> None:
    assert shortfall(kind, spectrum, 60 if shape[1] > 256 else 250, shape) < (MARGIN - 1.0) / 2


@pytest.mark.parametrize("blocks", [1, 2])
def test_fewer_blocks_would_miss_what_overtakes(blocks: int) -> None:
    """The planted bug: small changes taken for granted."""
    assert shortfall("any pair past all others", "falling", 40, blocks=blocks) > MARGIN - 1.0


def ratios(kind: str, spectrum: str, size: float, updates: int, seed: int = 2) -> tuple[list[float], int]:
    """The largest singular value over its bound after each update, and how many were not thorough."""
    generator = torch.Generator().manual_seed(seed)
    weight, made = begin(spectrum, generator, SHAPE), Changes(kind, seed=seed + 1)
    bound, found, quick = MatrixBound([(weight, GAMMA)]), [], 0
    for _ in range(updates):
        weight += made.of(weight, size * (0.5 + 0.5 * float(torch.rand((), generator=generator))))
        quick += bound.certificates[0].blocks < LEAST_BLOCKS
        bound.enforce()
        found.append(largest(weight) / GAMMA)
    return found, quick


def held(kind: str, spectrum: str, size: float, updates: int) -> tuple[float, int]:
    found, quick = ratios(kind, spectrum, size, updates)
    return max(found), quick


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("kind", OBLIVIOUS)
def test_the_bound_holds_under_steps_that_are_looked_at_now_and_then(kind: str, spectrum: str) -> None:
    worst, quick = held(kind, spectrum, SMALL_STEP * GAMMA, 120)
    assert worst <= 1.0
    assert quick > 60


@pytest.mark.slow
@pytest.mark.parametrize("kind", ALIGNED[:2])
def test_it_all_but_holds_where_each_step_lifts_one_pair_that_is_not_known(kind: str) -> None:
    """No guarantee between thorough checks: see docs/optimizers.md."""
    runs = itertools.product(SPECTRA, range(8), (0.1, 0.2))
    found = [ratios(kind, spectrum, share * GAMMA, 120, seed)[0] for spectrum, seed, share in runs]
    over = [ratio for run in found for ratio in run if ratio > 1.0]
    print(f"{kind}: {len(over)} of {sum(map(len, found))} above the bound, at most {max(over, default=0)}")
    assert len(over) <= 4
    assert max(over, default=0.0) <= 1.03


def test_without_a_second_block_now_and_then_it_would_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bug: between thorough calls nothing but single steps of iteration."""
    blocks = certificate.Certificate.blocks.fget
    monkeypatch.setattr(certificate.Certificate, "blocks", property(lambda self: (1, 4)[blocks(self) == 4]))
    assert max(max(ratios(ALIGNED[0], "random", 0.2 * GAMMA, 120, seed)[0]) for seed in range(8)) > 1.0


@pytest.mark.parametrize("kind", OBLIVIOUS)
def test_large_steps_are_all_checked_thoroughly(kind: str) -> None:
    worst, quick = held(kind, "random", 3 * SMALL_STEP * GAMMA, 40)
    assert worst <= 1.0
    assert quick == 0


def test_it_goes_on_bit_for_bit_from_any_update() -> None:
    generator = torch.Generator().manual_seed(4)
    weight, made = begin("falling", generator, SHAPE), Changes("momentum")
    bound = MatrixBound([(weight, GAMMA)])
    blocks = set()
    for _ in range(30):
        copy = weight.clone()
        resumed = MatrixBound([(copy, GAMMA)])
        resumed.load_state(bound.state())
        step = made.of(weight, 0.1)
        blocks.add(bound.certificates[0].blocks)
        for one, matrix in ((bound, weight), (resumed, copy)):
            matrix += step
            one.enforce()
        assert torch.equal(weight, copy)
        assert all(
            torch.equal(a, b) for a, b in zip(bound.state().values(), resumed.state().values(), strict=True)
        )
    assert blocks == {1, 2, LEAST_BLOCKS}


def test_a_vector_that_is_exactly_the_leading_one_does_not_hide_another() -> None:
    """Two pairs without a way between them; all that is kept is exactly other pairs."""
    for first, second in ((0.5, 0.3), (0.5, 0.6), (0.2, 0.1)):
        weight = torch.zeros(100, 100)
        weight[0, 0], weight[50, 50] = first, second
        known = Leading(100, torch.float32)
        known.kept = torch.eye(100)[: leading.BLOCK]
        value = known.value(lambda rows: rows @ weight.T, lambda rows: rows @ weight)  # noqa: B023
        assert value == pytest.approx(max(first, second), rel=1e-3)


def test_of_nothing_it_is_0() -> None:
    known = Leading(100, torch.float32)
    for blocks in (1, 2, LEAST_BLOCKS):
        assert known.value(lambda rows: rows * 0.0, lambda rows: rows * 0.0, blocks) == 0.0
