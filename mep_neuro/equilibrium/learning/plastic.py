"""What learning changes in a model, what bounds it, and which contrasts it refuses."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mep_neuro.equilibrium.bounds.matrix_bound import MatrixBound
from mep_neuro.equilibrium.bounds.spectral_bound import SpectralBound
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.errors import SettleError


def bound_of(model: EquilibriumNetwork) -> SpectralBound | MatrixBound | None:
    """Of the coupled map, or of every plastic weight matrix, those of input and read-out too."""
    section = model.spec.consolidation
    if section.spectral_bound is None:
        return None
    if section.bound_of != "matrices":
        made = SpectralBound(model, section.spectral_bound, section.bound_mode or "hard")
        return made if model.couplings else None
    weights = [c.learned.detach() for c in model.projections.values() if c.plastic and c.learned.ndim > 1]
    return MatrixBound([(w, section.spectral_bound) for w in weights], section.bound_mode or "hard")


def refuse_not_finite(contrast: Mapping[str, Tensor]) -> None:
    """Refuse a contrast with a value that is not finite, before any weight moves.

    Raises:
        SettleError: Names the parameter.
    """
    for key, value in contrast.items():
        if not bool(torch.isfinite(value).all()):
            raise SettleError(
                f"{key}: the contrast is not finite, the weights were left as they are; "
                "lower learning.lr or nudge.beta"
            )


def plastic_parameters(model: EquilibriumNetwork) -> dict[str, nn.Parameter]:
    """Parameters that learning changes, by the names of `Network.arrays()`."""
    parameters: dict[str, nn.Parameter] = {}
    for name, coupling in model.projections.items():
        if coupling.plastic:
            parameters[f"projections.{name}.weight"] = coupling.learned
    for name, population in model.network.populations.items():
        if population.role != "input" and population.plastic_bias:
            parameters[f"populations.{name}.bias"] = model.biases[name]
    return parameters
