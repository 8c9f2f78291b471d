"""The spectral bound on each matrix alone: its largest singular value stays at or below gamma.

It does not guarantee that a network of more than two settling layers has one fixed point; the bound on
the coupled map does (`spectral_bound.py`). It is kept for networks that do not settle, and to compare.
"""

from collections.abc import Iterable, Mapping

from torch import Tensor

from mep_neuro.equilibrium.bounds.certificate import MARGIN, Certificate, aim, shrink, within
from mep_neuro.equilibrium.bounds.leading import Leading


class MatrixBound:
    """Keeps the largest singular value of each of some matrices, or kernels (out, rest), under its gamma.

    Attributes:
        certificates: One for each matrix; tells when a call may pass its products by.
    """

    def __init__(self, weights: Iterable[tuple[Tensor, float | None]], mode: str = "hard") -> None:
        """Take weights with their gammas, None for no bound, and the mode, 'hard' or 'soft'."""
        self._weights = [(w, w.view(len(w), -1), gamma) for w, gamma in weights if gamma is not None]
        self._mode = mode
        self._leading = [Leading(min(matrix.shape), matrix.dtype) for _, matrix, _ in self._weights]
        self.certificates = [Certificate({"weight": m}, {"weight": 1.0}) for _, m, _ in self._weights]

    def enforce(self) -> float | None:
        """Shrink what exceeds its bound.

        Returns:
            What the largest singular value is at most afterwards; None without a matrix.
        """
        largest: float | None = None
        for number, certificate in enumerate(self.certificates):
            value, gamma = certificate.at_most(), self._weights[number][2]
            if not value <= gamma:
                value = self._bring_under(number, aim(gamma, self._mode))
                certificate.renew(value)
            largest = value if largest is None else max(largest, value)
        return largest

    def state(self) -> dict[str, Tensor]:
        """What a resumed run needs."""
        state = {}
        for number, certificate in enumerate(self.certificates):
            state[f"{number}.leading"] = self._leading[number].kept
            state |= {f"{number}.certificate.{key}": value for key, value in certificate.state().items()}
        return state

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave."""
        for number, certificate in enumerate(self.certificates):
            self._leading[number].kept = state[f"{number}.leading"].clone()
            certificate.load_state(within(state, f"{number}.certificate."))

    def _bring_under(self, number: int, target: float) -> float:
        weight, matrix, _ = self._weights[number]
        small = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
        blocks = self.certificates[number].blocks
        value = MARGIN * self._leading[number].value(lambda r: r @ small, lambda r: r @ small.T, blocks)
        if value > target:
            factor = shrink(value, target, self._mode)
            weight.mul_(factor)
            value *= factor
        return value
