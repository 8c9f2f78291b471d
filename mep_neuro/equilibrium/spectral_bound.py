"""The spectral bound gamma on the coupled map.

With |lambda| < 1 for the symmetric map of all couplings between settling units, the free and the
nudged phase each have one fixed point and every solver reaches it. Input projections and read-outs
outside the dynamics are no part of the map and stay unbounded.

Source: shared facts on EP stability (statement b, e); power iteration on the squared map.
"""

import torch
from torch import Tensor

from mep_neuro.equilibrium.couplings.lattice import LatticeCoupling
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.errors import SettleError

MARGIN = 1.02
"""Power iteration estimates from below; the bound is enforced on MARGIN times the estimate."""

MOST_ITERATIONS = 50
ESTIMATE_TOLERANCE = 1e-4

MOST_RESCALINGS = 50
"""With couplings that stay fixed, scaling the others brings the radius down step by step."""


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
        generator = torch.Generator().manual_seed(0)
        self.vector = torch.nn.functional.normalize(
            torch.randn(sum(self._sizes), generator=generator, dtype=torch.float64).to(model.dtype), dim=0
        )

    def radius(self) -> float:
        """Estimate of the largest |eigenvalue|, from below."""
        estimate = 0.0
        for _ in range(MOST_ITERATIONS):
            image = self._apply(self.vector)
            new = float(image.norm())
            if new == 0.0:
                return 0.0
            self.vector = torch.nn.functional.normalize(self._apply(image), dim=0)
            if abs(new - estimate) <= ESTIMATE_TOLERANCE * new:
                return new
            estimate = new
        return estimate

    def enforce(self) -> float:
        """Scale the plastic couplings down to the bound where they exceed it.

        Returns:
            The radius afterwards, estimated with the margin.

        Raises:
            SettleError: Couplings that learning must not change exceed the bound alone.
        """
        plastic = [c for c in self._model.couplings.values() if c.plastic]
        everything = len(plastic) == len(self._model.couplings)
        radius = self.radius() * MARGIN
        for _ in range(MOST_RESCALINGS):
            if radius <= self.gamma or not plastic:
                break
            for coupling in plastic:
                coupling.weight.mul_(self.gamma / radius)
                coupling.weight_changed()
            radius = self.gamma if everything else self.radius() * MARGIN
        if radius > self.gamma * MARGIN:
            raise SettleError(
                f"spectral bound: the couplings that are not plastic have radius {radius:.3g}, "
                f"above {self.gamma:.3g}; lower their weights or raise consolidation.spectral_bound"
            )
        return radius

    def _apply(self, vector: Tensor) -> Tensor:
        parts = dict(zip(self._model.settling, torch.split(vector, self._sizes), strict=True))
        out = {name: torch.zeros_like(part) for name, part in parts.items()}
        for coupling in self._model.couplings.values():
            if isinstance(coupling, LatticeCoupling):
                out[coupling.pre] += coupling.balanced(parts[coupling.pre])
            else:
                back, forth = coupling.balanced(parts[coupling.pre], parts[coupling.post])
                out[coupling.pre] += back
                out[coupling.post] += forth
        return torch.cat([out[name] for name in self._model.settling])
