"""The spectral bound gamma on the coupled map.

With |lambda| < 1 for the symmetric map of all couplings between settling units, the free and the
nudged phase each have one fixed point and every solver reaches it. Input projections and read-outs
outside the dynamics are no part of the map and stay unbounded.

Source: shared facts on EP stability (statement b, e); Lanczos 1950 for the estimate, Weyl 1912 for how
long it holds.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from mep_neuro.equilibrium.bounds.certificate import MARGIN, Certificate, aim, shrink, within
from mep_neuro.equilibrium.bounds.half_map import DenseHalf, every_other_layer
from mep_neuro.equilibrium.bounds.lanczos import largest_eigenvalue, largest_singular_value, random_direction
from mep_neuro.equilibrium.couplings.dense import DenseCoupling
from mep_neuro.equilibrium.couplings.lattice import LatticeCoupling
from mep_neuro.equilibrium.couplings.pair import PairCoupling
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.errors import SettleError

MOST_RESCALINGS = 50
"""With couplings that stay fixed, scaling the others brings the radius down step by step."""


class SpectralBound:
    """Keeps the largest |eigenvalue| of the coupled map at or below gamma.

    Attributes:
        gamma: The bound.
        vector: The present estimate of the leading eigenvector, or of its part in every other layer;
            kept between calls, so that a call costs a few products.
        certificate: Tells when a call may pass the products by; None where couplings are not all dense.
    """

    def __init__(self, model: EquilibriumNetwork, gamma: float, mode: str = "hard") -> None:
        """Start from a fixed random vector; the mode is 'hard' or 'soft'."""
        self.gamma, self._mode = gamma, mode
        self._model = model
        side = every_other_layer(model)
        self._half = DenseHalf.of(model, side)
        names = model.settling if side is None else side
        self._sizes = {name: len(model.biases[name]) for name in names}
        length = sum(self._sizes.values()) if self._half is None else min(self._half.matrix().shape)
        self.vector = random_direction(length, model.dtype)
        self.certificate = _certificate(model, paired=side is not None)

    def radius(self) -> float:
        """Largest |eigenvalue|: exact where a side of the map is small, else estimated from below by Lanczos.

        Of a map that is not symmetric (random or antisymmetric feedback), the largest singular value.
        """
        if self._half is not None:
            value, self.vector = largest_singular_value(self._half.matrix(), self.vector)
            return value
        # On the map times its transpose: on the map itself half of all steps would go into telling +-lambda
        # apart. It leads from every other layer back to these, so that their part of the vector is enough.
        value, self.vector = largest_eigenvalue(self._apply_both, self.vector)
        return math.sqrt(value)

    def enforce(self) -> float:
        """Scale the plastic couplings down to the bound where they exceed it; 'soft', a part of the way.

        Returns:
            What the radius is at most afterwards.

        Raises:
            SettleError: Couplings that learning must not change exceed the bound alone.
        """
        if self.certificate is None:
            return self._bring_under(self.gamma)
        radius = self.certificate.at_most()
        if not radius <= self.gamma:
            radius = self._bring_under(aim(self.gamma, self._mode))
            self.certificate.renew(radius)
        return radius

    def state(self) -> dict[str, Tensor]:
        """What a resumed run needs."""
        certificate = {} if self.certificate is None else self.certificate.state()
        return {"vector": self.vector, **{f"certificate.{key}": value for key, value in certificate.items()}}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave."""
        self.vector = state["vector"].clone()
        if self.certificate is not None:
            self.certificate.load_state(within(state, "certificate."))

    def _bring_under(self, target: float) -> float:
        plastic = [c for c in self._model.couplings.values() if c.plastic]
        everything = all(c.plastic and c.feedback_weight is None for c in self._model.couplings.values())
        radius = self.radius() * MARGIN
        for _ in range(MOST_RESCALINGS if self._mode == "hard" else 1):
            if radius <= target or not plastic:
                break
            factor = shrink(radius, target, self._mode)
            for coupling in plastic:
                coupling.learned.mul_(factor)
                coupling.learned_changed()
            radius = radius * factor if everything else self.radius() * MARGIN
        if self._mode == "hard" and radius > self.gamma * MARGIN:
            raise SettleError(
                "spectral bound: the couplings that are not plastic, or the random feedback, have radius "
                f"{radius:.3g}, above {self.gamma:.3g}; lower their weights (weight.gain, feedback_gain) or "
                "raise consolidation.spectral_bound"
            )
        return radius

    def _apply_both(self, vector: Tensor) -> Tensor:
        parts = dict(zip(self._sizes, torch.split(vector, list(self._sizes.values())), strict=True))
        image = self._apply(self._apply(parts), transposed=True)
        return torch.cat([image.get(name, torch.zeros_like(part)) for name, part in parts.items()])

    def _apply(self, parts: Mapping[str, Tensor], *, transposed: bool = False) -> dict[str, Tensor]:
        """What the map makes of states of some populations, in those that they reach."""
        out: dict[str, Tensor] = {}
        for coupling in self._model.couplings.values():
            sent: dict[str, Tensor] = {}
            if isinstance(coupling, LatticeCoupling):
                sent[coupling.pre] = coupling.balanced(parts[coupling.pre])
            elif transposed and isinstance(coupling, PairCoupling) and not coupling.symmetric:
                ends = parts[coupling.pre], parts[coupling.post]
                sent[coupling.pre], sent[coupling.post] = coupling.balanced_transposed(*ends)
            else:
                if coupling.pre in parts:
                    sent[coupling.post] = coupling.balanced_forward(parts[coupling.pre])
                if coupling.post in parts:
                    sent[coupling.pre] = coupling.balanced_feedback(parts[coupling.post])
            for name, current in sent.items():
                out[name] = out[name] + current if name in out else current
        return out


def _certificate(model: EquilibriumNetwork, *, paired: bool) -> Certificate | None:
    """Of tied dense couplings; entries stand twice in the map, of which pairs +-lambda have half each."""
    couplings = model.couplings
    if any(type(c) is not DenseCoupling for c in couplings.values()):
        return None
    share = 1.0 if paired else 2.0
    gains = {name: share * c.gain for name, c in couplings.items() if isinstance(c, DenseCoupling)}
    return Certificate({name: c.weight for name, c in couplings.items()}, gains)
