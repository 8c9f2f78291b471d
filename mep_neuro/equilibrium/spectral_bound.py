"""The spectral bound gamma on the coupled map.

With |lambda| < 1 for the symmetric map of all couplings between settling units, the free and the
nudged phase each have one fixed point and every solver reaches it. Input projections and read-outs
outside the dynamics are no part of the map and stay unbounded.

Source: shared facts on EP stability (statement b, e); Lanczos 1950 for the estimate.
"""

import math

import torch
from torch import Tensor

from mep_neuro.equilibrium.couplings.dense import DenseCoupling
from mep_neuro.equilibrium.couplings.lattice import LatticeCoupling
from mep_neuro.equilibrium.couplings.pair import PairCoupling
from mep_neuro.equilibrium.lanczos import largest_eigenvalue, random_direction
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.errors import SettleError

MARGIN = 1.01
"""Ritz values lie below the eigenvalue, by a factor of 1.0005 at most in thousands of random changes
(test_matrix_bound.py): the bound is enforced on MARGIN times them."""

MOST_RESCALINGS = 50
"""With couplings that stay fixed, scaling the others brings the radius down step by step."""


SOFT_SHARE = 0.1
"""Of the way to the bound that 'soft' goes at each step."""

SMALL_SIDE = 64
"""Up to this side, all singular values of a matrix cost less than a few products."""


class SpectralBound:
    """Keeps the largest |eigenvalue| of the coupled map at or below gamma.

    Attributes:
        gamma: The bound.
        vectors: One, the present estimate of the leading eigenvector, all settling units in a row;
            kept between calls, so that a call costs a few products.
    """

    def __init__(self, model: EquilibriumNetwork, gamma: float, mode: str = "hard") -> None:
        """Start from a fixed random vector; the mode is 'hard' or 'soft'."""
        self.gamma, self._mode = gamma, mode
        self._model = model
        self._sizes = [len(model.biases[name]) for name in model.settling]
        couplings = list(model.couplings.values())
        single = len(couplings) == 1 and type(couplings[0]) is DenseCoupling
        small = single and min(couplings[0].weight.shape) <= SMALL_SIDE
        self._matrix = couplings[0] if small and isinstance(couplings[0], DenseCoupling) else None
        self.vectors = [random_direction(sum(self._sizes), model.dtype)]

    def radius(self) -> float:
        """Largest |eigenvalue|: exact of a single small matrix, otherwise estimated from below by Lanczos.

        Of a map that is not symmetric (random or antisymmetric feedback), the largest singular value.
        """
        if self._matrix is not None:
            return _largest_singular_value(self._matrix.weight) * math.sqrt(self._matrix.gain)
        return self._ritz_value()

    def _ritz_value(self) -> float:
        """Lanczos on the map times its transpose, from the last vector.

        The eigenvalues of layers in a row come in pairs +-lambda: on the map itself half of all steps
        would go into telling the two apart.
        """
        value, self.vectors[0] = largest_eigenvalue(self._apply_both, self.vectors[0])
        return math.sqrt(value)

    def _apply_both(self, vector: Tensor) -> Tensor:
        return self._apply(self._apply(vector), transposed=True)

    def enforce(self) -> float:
        """Scale the plastic couplings down to the bound where they exceed it; 'soft', a part of the way.

        Returns:
            The radius afterwards, estimated with the margin.

        Raises:
            SettleError: Couplings that learning must not change exceed the bound alone.
        """
        plastic = [c for c in self._model.couplings.values() if c.plastic]
        everything = all(c.plastic and c.feedback_weight is None for c in self._model.couplings.values())
        radius = self.radius() * MARGIN
        for _ in range(MOST_RESCALINGS if self._mode == "hard" else 1):
            if radius <= self.gamma or not plastic:
                break
            factor = shrink(radius, self.gamma, self._mode)
            for coupling in plastic:
                coupling.learned.mul_(factor)
                coupling.learned_changed()
            radius = radius * factor if everything else self.radius() * MARGIN
        if self._mode == "hard" and radius > self.gamma * MARGIN:
            raise SettleError(
                "spectral bound: the couplings that are not plastic, or the random feedback, have radius "
                f"{radius:.3g}, above {self.gamma:.3g}; lower their weights or raise "
                "consolidation.spectral_bound"
            )
        return radius

    def _apply(self, vector: Tensor, *, transposed: bool = False) -> Tensor:
        parts = dict(zip(self._model.settling, torch.split(vector, self._sizes), strict=True))
        out = {name: torch.zeros_like(part) for name, part in parts.items()}
        for coupling in self._model.couplings.values():
            if isinstance(coupling, LatticeCoupling):
                out[coupling.pre] += coupling.balanced(parts[coupling.pre])
            else:
                ends = parts[coupling.pre], parts[coupling.post]
                if transposed and isinstance(coupling, PairCoupling):
                    back, forth = coupling.balanced_transposed(*ends)
                else:
                    back, forth = coupling.balanced(*ends)
                out[coupling.pre] += back
                out[coupling.post] += forth
        return torch.cat([out[name] for name in self._model.settling])


def shrink(radius: float, gamma: float, mode: str) -> float:
    """What brings a radius above gamma to it at once, or SOFT_SHARE of the way ('soft', in logarithms)."""
    return gamma / radius if mode == "hard" else (gamma / radius) ** SOFT_SHARE


def _largest_singular_value(weight: Tensor) -> float:
    small = weight if weight.shape[0] <= weight.shape[1] else weight.T
    return float(torch.linalg.eigvalsh(small @ small.T)[-1].clamp_min(0.0).sqrt())
