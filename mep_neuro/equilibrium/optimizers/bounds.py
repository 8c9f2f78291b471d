"""The spectral bounds of an optimizer's groups: of the coupled map of what settles, or of each matrix."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from mep_neuro.equilibrium.bounds.matrix_bound import MatrixBound
from mep_neuro.equilibrium.bounds.spectral_bound import SpectralBound
from mep_neuro.equilibrium.model import EquilibriumNetwork

MATRICES = "matrices"
"""Name of the state of the bounds on matrices; those on coupled maps have the shape of their input."""


class Bounds:
    """Bounds made when they are first enforced.

    Attributes:
        scope: 'coupled' or 'matrix'.
        mode: 'hard' or 'soft'.
    """

    def __init__(self, scope: str, mode: str) -> None:
        """Set what gamma bounds, and how."""
        self.scope, self.mode = scope, mode
        self._coupled: dict[str, SpectralBound] = {}
        self._matrices: MatrixBound | None = None
        self._kept: dict[str, dict[str, Tensor]] = {}

    def __getstate__(self) -> dict[str, object]:
        """For copies, whose bounds are on their own tensors and begin with what these know."""
        return {**self.__dict__, "_kept": self.state(), "_coupled": {}, "_matrices": None}

    def enforce(
        self, networks: Sequence[EquilibriumNetwork], groups: Sequence[dict[str, Any]]
    ) -> float | None:
        """Bring the weights back under the gamma of their group, or the smallest of all for coupled maps.

        Returns:
            What the radius, or the largest singular value, is at most; None where nothing is bounded.
        """
        if self.scope == "matrix":
            return self._of_matrices(groups).enforce()
        radius = None
        gammas = [group["gamma"] for group in groups if group["gamma"] is not None]
        for network in networks if gammas else []:
            if network.couplings:
                radius = self._of(network, min(gammas)).enforce()
        return radius

    def forget_matrices(self) -> None:
        """The groups have changed."""
        self._kept, self._matrices = self.state(), None
        self._kept.pop(MATRICES, None)

    def state(self) -> dict[str, dict[str, Tensor]]:
        """What each bound knows; of those not made yet, what they will begin with."""
        made = {name: bound.state() for name, bound in self._coupled.items()}
        if self._matrices is not None:
            made[MATRICES] = self._matrices.state()
        return {**self._kept, **made}

    def load_state(self, state: Mapping[str, dict[str, Tensor]]) -> None:
        """Begin with what `state` gave."""
        self._kept, self._coupled, self._matrices = dict(state), {}, None

    def _of_matrices(self, groups: Sequence[dict[str, Any]]) -> MatrixBound:
        if self._matrices is None:
            bounded = [
                (p.detach(), group["gamma"]) for group in groups for p in group["params"] if p.ndim > 1
            ]
            self._matrices = MatrixBound(bounded, self.mode)
            if MATRICES in self._kept:
                self._matrices.load_state(self._kept.pop(MATRICES))
        return self._matrices

    def _of(self, network: EquilibriumNetwork, gamma: float) -> SpectralBound:
        name = "x".join(map(str, network.network.input.shape))
        if name not in self._coupled:
            self._coupled[name] = SpectralBound(network, gamma, self.mode)
            if name in self._kept:
                self._coupled[name].load_state(self._kept.pop(name))
        self._coupled[name].gamma = gamma
        return self._coupled[name]
