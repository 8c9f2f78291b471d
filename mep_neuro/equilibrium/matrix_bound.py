"""The spectral bound on each matrix alone: its largest singular value stays at or below gamma.

It does not guarantee that a network of more than two settling layers has one fixed point; the bound on
the coupled map does (`spectral_bound.py`). It is kept for networks that do not settle, and to compare.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from mep_neuro.equilibrium.lanczos import largest_eigenvalue, random_direction
from mep_neuro.equilibrium.spectral_bound import MARGIN, SMALL_SIDE, shrink


class MatrixBound:
    """Keeps the largest singular value of each of some matrices, or kernels (out, rest), under its gamma."""

    def __init__(self, weights: Iterable[tuple[Tensor, float | None]], mode: str = "hard") -> None:
        """Take weights with their gammas, None for no bound, and the mode, 'hard' or 'soft'."""
        self._weights = [(w, w.view(len(w), -1), gamma) for w, gamma in weights if gamma is not None]
        self._mode = mode
        self.vectors = [random_direction(min(matrix.shape), matrix.dtype) for _, matrix, _ in self._weights]

    def enforce(self) -> float | None:
        """Shrink what exceeds its bound.

        Returns:
            The largest singular value afterwards, with the margin; None without a matrix.
        """
        largest: float | None = None
        for number, (weight, matrix, gamma) in enumerate(self._weights):
            value, self.vectors[number] = largest_singular_value(matrix, self.vectors[number])
            value *= MARGIN
            if value > gamma:
                factor = shrink(value, gamma, self._mode)
                weight.mul_(factor)
                value *= factor
            largest = value if largest is None else max(largest, value)
        return largest


def largest_singular_value(matrix: Tensor, last: Tensor) -> tuple[float, Tensor]:
    """Exact of a matrix with a small side, otherwise estimated from below, from the last call's vector."""
    small = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    if len(small) <= SMALL_SIDE:
        return float(torch.linalg.eigvalsh(small @ small.T)[-1].clamp_min(0.0).sqrt()), last
    value, vector = largest_eigenvalue(lambda v: small @ (small.T @ v), last)
    return value**0.5, vector
