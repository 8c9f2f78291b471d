"""The spectral bound gamma on the coupled map.

With |lambda| < 1 for the symmetric map of all couplings between settling units, the free and the
nudged phase each have one fixed point and every solver reaches it. Input projections and read-outs
outside the dynamics are no part of the map and stay unbounded.

Source: shared facts on EP stability (statement b, e); Lanczos 1950 for the estimate.
"""

import math

import numpy as np
import torch
from torch import Tensor

from mep_neuro.equilibrium.couplings.dense import DenseCoupling
from mep_neuro.equilibrium.couplings.lattice import LatticeCoupling
from mep_neuro.equilibrium.couplings.pair import PairCoupling
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.errors import SettleError

MARGIN = 1.01
"""Ritz values lie below the eigenvalue, in trainings by a factor of 1.0014 at most: the bound is enforced
on MARGIN times them."""

MOST_STEPS = 60
CHECKED_EVERY = 4
RITZ_RESIDUAL = 1e-2
"""Residual at which a Ritz pair is taken, over its value: the value's error is of the order of its square."""

FRESH = 0.3
"""Share of a fixed random direction in each start: another eigenvalue may have overtaken the last one."""

MOST_RESCALINGS = 50
"""With couplings that stay fixed, scaling the others brings the radius down step by step."""


SMALL_SIDE = 64
"""Up to this side, all singular values of a matrix cost less than a few products."""


class SpectralBound:
    """Keeps the largest |eigenvalue| of the coupled map at or below gamma.

    Attributes:
        gamma: The bound.
        vector: The present estimate of the leading eigenvector, all settling units in a row;
            kept between calls, so that a call costs a few products.
    """

    def __init__(self, model: EquilibriumNetwork, gamma: float) -> None:
        """Start from a fixed random vector."""
        self.gamma = gamma
        self._model = model
        self._sizes = [len(model.biases[name]) for name in model.settling]
        pairs = [c for c in model.couplings.values() if isinstance(c, PairCoupling)]
        self._symmetric = all(pair.symmetric for pair in pairs)
        couplings = list(model.couplings.values())
        single = len(couplings) == 1 and type(couplings[0]) is DenseCoupling
        small = single and min(couplings[0].weight.shape) <= SMALL_SIDE
        self._matrix = couplings[0] if small and isinstance(couplings[0], DenseCoupling) else None
        generator = torch.Generator().manual_seed(0)
        draw = torch.randn(sum(self._sizes), generator=generator, dtype=torch.float64)
        self._random = self.vector = torch.nn.functional.normalize(draw.to(model.dtype), dim=0)

    def radius(self) -> float:
        """Largest |eigenvalue|: exact of a single small matrix, otherwise estimated from below by Lanczos.

        Of a map that is not symmetric (random or antisymmetric feedback), the largest singular value.
        """
        if self._matrix is not None:
            return _largest_singular_value(self._matrix.weight) * math.sqrt(self._matrix.gain)
        return self._ritz_value()

    def _ritz_value(self) -> float:
        """Lanczos, from the last eigenvector."""
        start = torch.nn.functional.normalize(self.vector + FRESH * self._random, dim=0)
        basis = start.new_empty(min(MOST_STEPS, len(start)), len(start))
        basis[0] = start
        small = np.zeros((len(basis) + 1, len(basis) + 1))
        for step in range(1, len(basis) + 1):
            known = basis[:step]
            image = self._apply(known[-1])
            if not self._symmetric:
                image = self._apply(image, transposed=True)
            small[step - 1, step - 1] = float(known[-1] @ image)
            for _ in range(2):  # once leaves float32's rounding in
                image = image - (known @ image) @ known
            left = small[step - 1, step] = small[step, step - 1] = float(image.norm())
            last = step == len(basis) or left < 1e-6 * np.abs(small).max() or left == 0.0
            if last or step % CHECKED_EVERY == 0:
                values, vectors = np.linalg.eigh(small[:step, :step])
                top = int(np.abs(values).argmax())
                if last or left * abs(vectors[-1, top]) <= RITZ_RESIDUAL * abs(values[top]):
                    break
            basis[step] = image / left
        self.vector = torch.from_numpy(vectors[:, top]).to(known.dtype) @ known
        return float(abs(values[top])) if self._symmetric else float(abs(values[top])) ** 0.5

    def enforce(self) -> float:
        """Scale the plastic couplings down to the bound where they exceed it.

        Returns:
            The radius afterwards, estimated with the margin.

        Raises:
            SettleError: Couplings that learning must not change exceed the bound alone.
        """
        plastic = [c for c in self._model.couplings.values() if c.plastic]
        everything = all(c.plastic and c.feedback_weight is None for c in self._model.couplings.values())
        radius = self.radius() * MARGIN
        for _ in range(MOST_RESCALINGS):
            if radius <= self.gamma or not plastic:
                break
            for coupling in plastic:
                coupling.learned.mul_(self.gamma / radius)
                coupling.learned_changed()
            radius = self.gamma if everything else self.radius() * MARGIN
        if radius > self.gamma * MARGIN:
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


def _largest_singular_value(weight: Tensor) -> float:
    small = weight if weight.shape[0] <= weight.shape[1] else weight.T
    return float(torch.linalg.eigvalsh(small @ small.T)[-1].clamp_min(0.0).sqrt())
