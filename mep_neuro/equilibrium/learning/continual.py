"""Continual learning: the weights change while the nudged phase settles.

After every half-sweep from s to s' each weight moves by its share of the contrast,

    dW = lr k [ s'_post s'_pre - s_post s_pre ] / beta

which needs no memory of the free phase. The shares add up to the one-sided contrast; that the weights
move under them makes the sum differ from it by the order of lr.

A weight that moves changes the current that moves it: the nudged phase settles only while
lr |s_pre|^2 / beta is below about 1, and inputs with a large common part reach that first. On the digits
(64 inputs, |x|^2 = 15) at beta 1 and batches of 16 a rate of 0.02 learns and one of 0.1 runs away; less
their mean (|x|^2 = 5) 0.05 learns. A runaway ends with every unit at an end of its range, where the phase
rests again: so it is recognised by its growth, since changes of a settle fall.

Source: Ernoult et al. 2020, 'Equilibrium Propagation with Continual Weight Updates', equation 6.
"""

import torch
from torch import Tensor

from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.cost import error
from mep_neuro.equilibrium.fixed_point import FixedPoint
from mep_neuro.equilibrium.gates import gated
from mep_neuro.equilibrium.held import held
from mep_neuro.equilibrium.learning.learner import Learner
from mep_neuro.equilibrium.learning.moment import sign_of
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import Free, Nudged, free_phase
from mep_neuro.equilibrium.response import Response
from mep_neuro.equilibrium.settle import check_change
from mep_neuro.equilibrium.solvers.modes import Single
from mep_neuro.equilibrium.solvers.sweeps import Sweeps
from mep_neuro.equilibrium.strength import force_of, strength_of
from mep_neuro.errors import SettleError

GROWN, OF_FIRST = 2.0, 0.5
"""A change this many times the least before it, and this share of the nudge's own, is no settling: there
changes fall from half-sweep to half-sweep. Smaller growth was seen to die out (0.32 of the nudge's own)."""


def learn_continually(
    learner: Learner, model: EquilibriumNetwork, features: Tensor, target: Tensor, rate_factor: float = 1.0
) -> tuple[Free, Nudged]:
    """One batch: a free phase, and a nudged phase under which the weights change.

    Args:
        learner: Moves the weights of the model.
        model: The network, changed in place.
        features: Shape (batch, n_input).
        target: Shape (batch, n_output).
        rate_factor: Multiplies the learning rate, for schedules.

    Returns:
        The free phase, and the nudged one with the responses of all half-sweeps together.

    Raises:
        SettleError: A phase diverged, the weights ran away under it, or a change is not finite; the weights
            are as they were.
    """
    free = free_phase(model, features)
    before = learner.parameters()
    try:
        nudged = _nudge(learner, model, features, free, target, rate_factor)
    except SettleError:
        learner.restore(before)
        raise
    learner.close_update(rate_factor)
    return free, nudged


def _nudge(
    learner: Learner,
    model: EquilibriumNetwork,
    features: Tensor,
    free: Free,
    target: Tensor,
    rate_factor: float,
) -> Nudged:
    section = model.spec.equilibrium
    output = model.readout(free.point.states)
    pull = error(output, target, model.positions, model.cost)
    force = force_of(model, pull)
    strength = strength_of(model, lambda: force, None, lambda probe: {})
    strength = strength * sign_of(model) if section.nudge.phases == "random_sign" else strength
    mode = gated(Single(model.activations), free.gates)
    first = states = [free.point.states[name] for name in model.settling]
    change, largest = states[0].new_full((len(features),), torch.inf), []
    steps, most = 0, section.nudged_steps or section.max_steps
    while steps < most and (section.nudged_steps is not None or bool((change > section.tolerance).any())):
        drive = model.drive(features)[1]
        total = [drive[n] + force[n] * strength if n in force else drive[n] for n in model.settling]
        sweep = Sweeps(model.system, mode, total, states, forth=steps % 2 == 1)
        change = sweep.measured_step()
        check_change(change, steps + 1)
        largest.append(float(change.max()))
        _refuse_runaway(largest)
        moved = [s for s in sweep.states if s is not None]
        share = _between(model, states, moved, strength)
        seen = pull if steps == 0 else torch.zeros_like(pull)  # a read-out outside learns once
        point = FixedPoint({}, change, free.point.steps, section.tolerance)
        step = Nudged(share, point, strength, output, seen, strength)
        learner.move(contrast(model, free, step), rate_factor)
        states, steps = moved, steps + 1
    reached = dict(zip(model.settling, states, strict=True))
    point = FixedPoint(reached, change, torch.full((len(features),), steps), section.tolerance)
    return Nudged(_between(model, first, states, strength), point, strength, output, pull, strength)


def _refuse_runaway(changes: list[float]) -> None:
    """Refuse a phase in which states and weights drive each other away.

    Args:
        changes: Largest change of each half-sweep; the nudge itself makes the first two.

    Raises:
        SettleError: The last one has grown.
    """
    now, first, least = changes[-1], max(changes[:2]), min(changes)
    if len(changes) > 2 and now > GROWN * least and now > OF_FIRST * first:
        raise SettleError(
            f"continual learning: the weights run away under the nudged phase (change {now:.2g} at step "
            f"{len(changes)}, {least:.2g} before); lower learning.lr, raise nudge.beta, or centre the input"
        )


def _between(
    model: EquilibriumNetwork, old: list[Tensor], new: list[Tensor], strength: Tensor | float
) -> dict[str, Response]:
    return {
        name: Response((s + t) / 2, held(model, name, (t - s) / strength))
        for name, s, t in zip(model.settling, old, new, strict=True)
    }
