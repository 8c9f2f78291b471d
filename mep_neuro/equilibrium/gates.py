"""Units that are switched off, or scaled: dropout.

A gate m multiplies the rate, s = m rho(current), in every phase of a batch. What settles is then the
network whose units have that activation, with the energy sum_i m_i G(s_i / m_i) of its own, so that the
contrast of the gated states is the gradient of the gated network's cost.

Source: Srivastava et al. 2014 (dropout); held through both phases here, as the theorem of Scellier and
Bengio 2017 needs one network in both.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.modes import Mode
from mep_neuro.equilibrium.moment import DROPOUT, draws

Gates = list[Tensor | None]
"""m of each settling block, shape (n,) or (batch, n); None is 1."""


class Gated:
    """Another mode with gates on its states."""

    def __init__(self, mode: Mode, gates: Sequence[Tensor | None]) -> None:
        """Take the mode and m of each block."""
        self._mode, self._gates = mode, gates

    def activate(self, block: int, current: Tensor) -> Tensor:
        """M times the states of the mode."""
        state, gate = self._mode.activate(block, current), self._gates[block]
        return state if gate is None else state * gate

    def distance(self, block: int, new: Tensor, old: Tensor | None) -> Tensor:
        """As the mode's."""
        return self._mode.distance(block, new, old)

    def gap(self, block: int, new: Tensor, old: Tensor) -> Tensor:
        """As the mode's."""
        return self._mode.gap(block, new, old)

    def keep(self, rows: Tensor) -> "Gated":
        """The mode for some of the samples."""
        kept = [gate if gate is None or gate.ndim == 1 else gate[rows] for gate in self._gates]
        return Gated(self._mode.keep(rows), kept)


def gated(mode: Mode, gates: Gates) -> Mode:
    """The mode with gates, or itself where none is closed."""
    return mode if all(gate is None for gate in gates) else Gated(mode, gates)


def dropout_gates(model: EquilibriumNetwork) -> Gates:
    """One mask for the batch: 0 with the population's probability, 1 / (1 - probability) otherwise.

    Drawn from seeds.noise and the number of the update; all open outside training.
    """
    rates = [model.spec.populations[name].dropout for name in model.settling]
    if model.moment is None or not any(rates):
        return [None] * len(rates)
    random = draws(model, DROPOUT)
    return [_mask(random.random(n) >= p, p, model) for n, p in zip(model.system.sizes, rates, strict=True)]


def _mask(stays: object, probability: float, model: EquilibriumNetwork) -> Tensor | None:
    if probability == 0.0:
        return None
    return torch.as_tensor(stays).to(model.compute) / (1.0 - probability)
