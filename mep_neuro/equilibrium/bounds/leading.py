"""The largest singular value of a map that changes little between calls, by block Krylov with warm starts.

The map is projected onto an orthonormal block (Rayleigh, Ritz): a product with a block reads the weights
once, as one with a vector does. Among small changes one step of subspace iteration from the last leading
vectors is enough, with a second block at every second call. A thorough call takes half of these vectors and
as many fixed random ones, and all blocks that A^T A makes of them, four at least: that finds a singular value
that overtakes all others at once.

Source: Golub and Underwood 1977 (block Lanczos); Bauer 1957 (subspace iteration).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from mep_neuro.errors import SettleError

Map = Callable[[Tensor], Tensor]

BLOCK = 8

FRESH = 4
"""Random vectors in the block of a thorough call. With 2, estimates fell 1.6 % short after changes that lift
one hidden singular value past all others at once; with 4, 0.1 %."""

LEAST_BLOCKS = 4
"""Of a thorough call: with 2, estimates fell 10 % short after such changes, with 3 once 1.5 %."""

MOST_BLOCKS = 16

UNCERTAIN = 1.02
"""An eigenvalue of A^T A lies within the residual of each Ritz value. Blocks are added until none of these
intervals reaches above this times the largest Ritz value: 1.01 squared, the margin of the bound."""

ROUGH = 1.06
"""The same for a single block, whose estimate is then so high that the margin covers the intervals."""

SMALL_SIDE = 64
"""Up to this size the block is the whole space, and the value exact: it costs less than four blocks."""


class Leading:
    """The leading singular vectors of a map, kept between calls.

    Attributes:
        kept: Estimates of them, shape (BLOCK, n), orthonormal, the leading one first; random at first.
    """

    def __init__(self, size: int, dtype: torch.dtype) -> None:
        """Start from fixed random vectors of n units."""
        generator = torch.Generator().manual_seed(0)
        draw = torch.randn(BLOCK, size, generator=generator, dtype=torch.float64).to(dtype)
        self.kept, self._fresh = _orthonormal(draw)[0], draw[:FRESH]
        self._whole = torch.eye(size, dtype=dtype) if size <= SMALL_SIDE else None

    def value(self, apply: Map, back: Map, blocks: int = LEAST_BLOCKS) -> float:
        """The largest singular value.

        Exact of few units, otherwise estimated from below; after a step, at most 2 % above where residuals
        are large.

        Args:
            apply: The map A of row vectors, from (k, n) to (k, m).
            back: Its transpose, from (k, m) to (k, n).
            blocks: At least; LEAST_BLOCKS at first, and where the map may have changed by much.

        Raises:
            SettleError: The map is not finite.
        """
        if self._whole is not None:
            images = apply(self._whole)
            return _root(float(torch.linalg.eigvalsh(images @ images.T)[-1]))
        value = self._by_step(apply, back) if blocks == 1 else None
        return self._by_blocks(apply, back, max(blocks, 2)) if value is None else value

    def _by_step(self, apply: Map, back: Map) -> float | None:
        """None where residuals are too large for one block."""
        images = apply(self.kept)
        values, vectors = torch.linalg.eigh(images @ images.T)
        leading = vectors.T @ back(images)
        ritz, squares = values.tolist(), (leading @ leading.T).diagonal().tolist()
        # |A^T A w|^2 is the square of the Ritz value and that of its residual.
        reach = max(v + math.sqrt(max(0.0, n - v * v)) for v, n in zip(ritz, squares, strict=True))
        if not reach <= ROUGH * ritz[-1]:
            return None
        self.kept = _orthonormal(leading.flip(0))[0]
        return _root(max(ritz[-1], reach / UNCERTAIN))

    def _by_blocks(self, apply: Map, back: Map, least: int) -> float:
        size, block = self.kept.shape[1], self.kept
        if least >= LEAST_BLOCKS:
            block = _orthonormal(torch.cat([block[:-FRESH], self._fresh]))[0]
        basis, images = block, apply(block)
        for number in range(1, MOST_BLOCKS + 1):
            # Of A^T A times the last block what is new: no other residual is left.
            beyond, factor = _orthonormal(_without(basis, back(images[-BLOCK:])))
            last = number == MOST_BLOCKS or len(basis) + BLOCK > size
            if last or number >= least:
                values, vectors = torch.linalg.eigh(images @ images.T)
                residuals = factor @ vectors[-BLOCK:]
                reach = values + torch.linalg.vector_norm(residuals, dim=0)
                if last or bool(reach.max() <= UNCERTAIN * values[-1]):
                    break
            # Again, since of what has converged only rounding is new; rows that still are not new stay 0.
            block, factor = _orthonormal(_without(basis, beyond))
            block = block * (factor.diagonal().abs() > 0.5)[:, None]
            basis, images = torch.cat([basis, block]), torch.cat([images, apply(block)])
        # One step of iteration more: A^T A of the leading Ritz vectors.
        leading = (vectors[:, -BLOCK:] * values[-BLOCK:]).T @ basis
        self.kept = _orthonormal(leading.addmm_(residuals[:, -BLOCK:].T, beyond).flip(0))[0]
        return _root(float(values[-1]))


def _root(value: float) -> float:
    if not math.isfinite(value):
        raise SettleError("spectral bound: weights are not finite; lower the learning rate")
    return math.sqrt(max(0.0, value))


def _orthonormal(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Orthonormal rows Q and a factor R with rows = R^T Q."""
    columns, factor = torch.linalg.qr(rows.T)
    return columns.T, factor


def _without(basis: Tensor, rows: Tensor) -> Tensor:
    """Rows without their parts in a basis of orthonormal rows."""
    return rows - (rows @ basis.T) @ basis
