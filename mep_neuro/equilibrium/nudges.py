"""How the nudged fixed points of rate neurons settle: both, their half-difference alone, or one.

Each takes the model, the free phase, the nudge's current by population, its strength and the limits, and
gives where the settle ended and the response of every settling population.

Source: Laborieux et al. 2021 (centered).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mep_neuro.equilibrium.couplings.units_first import stacked
from mep_neuro.equilibrium.gates import gated
from mep_neuro.equilibrium.held import held
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.response import Response
from mep_neuro.equilibrium.settle import Limits, Rest, settle
from mep_neuro.equilibrium.solvers.modes import Frozen, Mirrored, Pair, Single
from mep_neuro.equilibrium.solvers.solver import current_into
from mep_neuro.equilibrium.strength import size

if TYPE_CHECKING:
    from mep_neuro.equilibrium.phases import Free

Outcome = tuple[Rest, dict[str, Response]]


def _centered(
    model: EquilibriumNetwork,
    free: Free,
    nudge: dict[str, Tensor],
    strength: Tensor | float,
    limits: Limits,
) -> Outcome:
    """The fixed points at -beta and +beta, settled together as mean and half-difference."""
    if not model.linear:
        return _both(model, free, nudge, strength, limits)
    drive, pull = [], {name: held(model, name, f) for name, f in nudge.items()}
    for name, state in free.point.states.items():
        steady = free.drive[name]
        half = pull[name] if name in pull else torch.zeros_like(steady)
        drive.append(stacked(steady, half, state))
    mode = Mirrored(model.half_activations, model.energy_weights, partial(size, nudge))
    rest = settle(
        model.system.pairs, gated(mode, free.gates), drive, _about(free.point.states), limits, forth=False
    )
    responses = {
        name: Response(state[0], _per_beta(state[1], strength))
        for name, state in zip(model.settling, rest.states, strict=True)
    }
    return rest, responses


def _about(states: Mapping[str, Tensor]) -> list[Tensor]:
    """Each state as a mean, with a half-difference of zero."""
    return [stacked(s, torch.zeros_like(s), s) for s in states.values()]


def _both(
    model: EquilibriumNetwork,
    free: Free,
    nudge: dict[str, Tensor],
    strength: Tensor | float,
    limits: Limits,
) -> Outcome:
    """As _centered, with the two fixed points apart: for currents that are not linear in the states."""
    drive = []
    for name in model.settling:
        steady = free.drive[name]
        both = [steady + nudge[name], steady - nudge[name]] if name in nudge else [steady, steady]
        drive.append(torch.stack(both))
    start = [torch.stack([s, s]) for s in free.point.states.values()]
    weights = [held(model, name, k) for name, k in zip(model.settling, model.energy_weights, strict=True)]
    mode = Pair(model.activations, weights, partial(size, nudge))
    rest = settle(
        model.system.seeing(free.input_rates), gated(mode, free.gates), drive, start, limits, forth=False
    )
    responses = {
        name: Response((state[0] + state[1]) / 2, held(model, name, (state[0] - state[1]) / (2 * strength)))
        for name, state in zip(model.settling, rest.states, strict=True)
    }
    return rest, responses


def _frozen(
    model: EquilibriumNetwork,
    free: Free,
    nudge: dict[str, Tensor],
    strength: Tensor | float,
    limits: Limits,
) -> Outcome:
    """As _centered, with the mean of the two fixed points taken to be the free one."""
    pull = {name: held(model, name, f) for name, f in nudge.items()}
    drive = [pull.get(name) for name in model.settling]
    mode = Frozen(model.half_activations, _currents(model, free), model.energy_weights, partial(size, nudge))
    rest = settle(
        model.system.halves, gated(mode, free.gates), drive, [None] * len(drive), limits, forth=False
    )
    responses = {
        name: Response(free.point.states[name], _per_beta(state, strength))
        for name, state in zip(model.settling, rest.states, strict=True)
    }
    return rest, responses


def _currents(model: EquilibriumNetwork, free: Free) -> list[Tensor]:
    """Currents of the free phase, in the order of `model.settling`."""
    if free.membranes is not None:
        return free.membranes
    drive = [free.drive[name] for name in model.settling]
    states = [free.point.states[name] for name in model.settling]
    return [current_into(model.system, block, drive, states) for block in range(len(states))]


def _one_sided(
    model: EquilibriumNetwork,
    free: Free,
    nudge: dict[str, Tensor],
    strength: Tensor | float,
    limits: Limits,
) -> Outcome:
    """The fixed points at 0 and +beta, or -beta where the strength is negative."""
    drive = [free.drive[name] + nudge[name] if name in nudge else free.drive[name] for name in model.settling]
    start = list(free.point.states.values())
    system = model.system.seeing(free.input_rates)
    mode = gated(Single(model.activations), free.gates)
    rest = settle(system, mode, drive, start, limits, forth=False)
    responses = {
        name: Response((state + still) / 2, held(model, name, (state - still) / strength))
        for name, state, still in zip(model.settling, rest.states, start, strict=True)
    }
    return rest, responses


def _per_beta(state: Tensor, strength: Tensor | float) -> Tensor:
    """state / strength, in place: the settle is done with it."""
    return state.mul_(1.0 / strength) if isinstance(strength, float) else state / strength.to(state.dtype)


HOW = {"centered": _centered, "frozen": _frozen, "one_sided": _one_sided, "random_sign": _one_sided}
SPAN = {"centered": 2.0, "frozen": 2.0, "one_sided": 1.0, "random_sign": 1.0}
"""(beta_plus - beta_minus) / beta."""
