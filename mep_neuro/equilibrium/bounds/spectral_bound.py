"""The spectral bound gamma on the coupled map.

With |lambda| < 1 for the symmetric map of all couplings between settling units, the free and the
nudged phase each have one fixed point and every solver reaches it. Input projections and read-outs
outside the dynamics are no part of the map and stay unbounded.

Source: shared facts on EP stability (statement b, e); Weyl 1912 for how long an estimate holds.
"""

from collections.abc import Mapping

from torch import Tensor

from mep_neuro.equilibrium.bounds.certificate import MARGIN, Certificate, aim, shrink, within
from mep_neuro.equilibrium.bounds.half_map import every_other_layer, halves
from mep_neuro.equilibrium.bounds.leading import LEAST_BLOCKS, Leading
from mep_neuro.equilibrium.couplings.dense import DenseCoupling
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.errors import SettleError

MOST_RESCALINGS = 50
"""With couplings that stay fixed, scaling the others brings the radius down step by step."""


class SpectralBound:
    """Keeps the largest |eigenvalue| of the coupled map at or below gamma.

    Attributes:
        gamma: The bound.
        leading: The leading vectors of the map, or of its half from every other layer to the others.
        certificate: Tells when a call may pass the products by; None where couplings are not all dense.
    """

    def __init__(self, model: EquilibriumNetwork, gamma: float, mode: str = "hard") -> None:
        """Start from fixed random vectors; the mode is 'hard' or 'soft'."""
        self.gamma, self._mode = gamma, mode
        self._model = model
        side = every_other_layer(model)
        self._forth, self._back, size = halves(model, side)
        self.leading = Leading(size, model.dtype)
        self.certificate = _certificate(model, paired=side is not None)

    def radius(self, blocks: int = LEAST_BLOCKS) -> float:
        """Largest |eigenvalue|: exact where a side of the map is small, else estimated from below.

        Of a map that is not symmetric (random or antisymmetric feedback), the largest singular value.
        """
        return self.leading.value(self._forth, self._back, blocks)

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
        return {
            "leading": self.leading.kept,
            **{f"certificate.{key}": value for key, value in certificate.items()},
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave."""
        self.leading.kept = state["leading"].clone()
        if self.certificate is not None:
            self.certificate.load_state(within(state, "certificate."))

    def _bring_under(self, target: float) -> float:
        plastic = [c for c in self._model.couplings.values() if c.plastic]
        everything = all(c.plastic and c.feedback_weight is None for c in self._model.couplings.values())
        blocks = LEAST_BLOCKS if self.certificate is None else self.certificate.blocks
        radius = self.radius(blocks) * MARGIN
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


def _certificate(model: EquilibriumNetwork, *, paired: bool) -> Certificate | None:
    """Of tied dense couplings; entries stand twice in the map, of which pairs +-lambda have half each."""
    couplings = model.couplings
    if any(type(c) is not DenseCoupling for c in couplings.values()):
        return None
    share = 1.0 if paired else 2.0
    gains = {name: share * c.gain for name, c in couplings.items() if isinstance(c, DenseCoupling)}
    return Certificate({name: c.weight for name, c in couplings.items()}, gains)
