"""Units that are switched off, or scaled: dropout, and units that lose to more active ones.

A gate m multiplies the rate, s = m rho(current), in every phase of a batch. What settles is then the
network whose units have that activation, with the energy sum_i m_i G(s_i / m_i) of its own, so that the
contrast of the gated states is the gradient of the gated network's cost.

Of a sparse population the k units with the largest current (of tanh, the largest |current|) are active.
They are chosen at every update of the free phase: these k units are the block's minimum of the energy
among states with k active units, so block updates never raise it. In a lattice they may: there, all its
units move at once. The nudged phase keeps the units that were active at the free fixed point.

Sources: Srivastava et al. 2014 (dropout); Makhzani and Frey 2015 (k winners). Gates hold through all
phases, as the theorem of Scellier and Bengio 2017 needs one network in both.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mep_neuro.equilibrium.learning.moment import DROPOUT, draws
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.solvers.form import Form
from mep_neuro.equilibrium.solvers.modes import Mode

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

    def form(self, block: int) -> Form | None:
        """The mode's, with the block's gate."""
        form = self._mode.form(block)
        return None if form is None else form._replace(gate=self._gates[block])

    def keep(self, rows: Tensor) -> "Gated":
        """The mode for some of the samples."""
        kept = [gate if gate is None or gate.ndim == 1 else gate[rows] for gate in self._gates]
        return Gated(self._mode.keep(rows), kept)


class Competing:
    """Another mode in which only the most driven units of some blocks stay active."""

    def __init__(self, mode: Mode, counts: list[int | None], mirrored: list[bool], gates: Gates) -> None:
        """Take the mode, k of each block, whether a unit is as active below 0, and who is silent anyway."""
        self._mode, self._counts, self._mirrored, self._gates = mode, counts, mirrored, gates

    def activate(self, block: int, current: Tensor) -> Tensor:
        """States of the mode; 0 but for the k most driven units."""
        state, count, gate = self._mode.activate(block, current), self._counts[block], self._gates[block]
        if count is None:
            return state
        drive = current.abs() if self._mirrored[block] else current
        if gate is not None:
            drive = drive.masked_fill(gate == 0, -torch.inf)
        first = drive.topk(count, dim=-1).indices
        return torch.zeros_like(state).scatter_(-1, first, state.gather(-1, first))

    def distance(self, block: int, new: Tensor, old: Tensor | None) -> Tensor:
        """As the mode's."""
        return self._mode.distance(block, new, old)

    def gap(self, block: int, new: Tensor, old: Tensor) -> Tensor:
        """As the mode's."""
        return self._mode.gap(block, new, old)

    def form(self, block: int) -> Form | None:
        """The mode's, and None where units compete: who wins depends on all of them."""
        return self._mode.form(block) if self._counts[block] is None else None

    def keep(self, rows: Tensor) -> "Competing":
        """The mode for some of the samples; dropout's gates are the same for all."""
        return Competing(self._mode.keep(rows), self._counts, self._mirrored, self._gates)


def competing(model: EquilibriumNetwork, mode: Mode, gates: Gates) -> Mode:
    """The mode with the competition of sparse populations, or itself where there is none."""
    if not any(model.winners):
        return mode
    mirrored = [model.network.populations[name].activation == "tanh" for name in model.settling]
    return Competing(mode, model.winners, mirrored, gates)


def winners(model: EquilibriumNetwork, states: Sequence[Tensor], gates: Gates) -> Gates:
    """The gates of the nudged phase: those of the free phase, and 0 for units that lost in it."""
    if not any(model.winners):
        return gates
    closed = []
    for count, state, gate in zip(model.winners, states, gates, strict=True):
        if count is None:
            closed.append(gate)
        else:
            active = (state != 0).to(state.dtype)
            closed.append(active if gate is None else active * gate)
    return closed


def gated(mode: Mode, gates: Gates) -> Mode:
    """The mode with gates, or itself where none is closed."""
    return mode if all(gate is None for gate in gates) else Gated(mode, gates)


def dropout_gates(model: EquilibriumNetwork) -> Gates:
    """One mask for the batch: 0 with the population's probability, 1 / (1 - probability) otherwise.

    Drawn from seeds.noise and the number of the update; all open outside training.
    """
    rates = model.dropout
    if model.moment is None or not any(rates):
        return [None] * len(rates)
    random = draws(model, DROPOUT)
    return [_mask(random.random(n) >= p, p, model) for n, p in zip(model.system.sizes, rates, strict=True)]


def _mask(stays: object, probability: float, model: EquilibriumNetwork) -> Tensor | None:
    if probability == 0.0:
        return None
    return torch.as_tensor(stays).to(model.dtype) / (1.0 - probability)
