"""The free phase and the nudged phase, both through one settle.

Source: Scellier and Bengio 2017 (phases); Laborieux et al. 2021 (centered, -beta and +beta).
The nudge is the constant current -beta dC/ds taken at the free fixed point (design).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from mep_neuro.equilibrium.cost import error
from mep_neuro.equilibrium.fixed_point import FixedPoint
from mep_neuro.equilibrium.gates import Gates, competing, dropout_gates, gated, winners
from mep_neuro.equilibrium.held import refuse_rounding
from mep_neuro.equilibrium.learning.moment import sign_of
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.nudges import HOW, SPAN, Outcome
from mep_neuro.equilibrium.predictive import predictive_phases
from mep_neuro.equilibrium.response import Response
from mep_neuro.equilibrium.settle import SOLVERS, Limits, Rest, check_size, settle
from mep_neuro.equilibrium.solvers.modes import Single
from mep_neuro.equilibrium.spiking.phases import SpikingRest, resolution, spiking_free, spiking_responses
from mep_neuro.equilibrium.strength import force_of, strength_of
from mep_neuro.errors import DataError, SettleError, StimulusError, UnsupportedError


@dataclass(frozen=True)
class Free:
    """A batch in the free phase.

    Attributes:
        point: The free fixed point.
        input_rates: Rates of the clamped input, shape (batch, n_input).
        drive: Constant current of every settling population.
        membranes: Current under which each settling population took its rates, in the order of
            `model.settling`; None where the solver keeps none.
        gates: What the rates of each settling population are multiplied with, in the nudged phase too.
        spiking: The end of the phase of spiking neurons; None of rate neurons.
    """

    point: FixedPoint
    input_rates: Tensor
    drive: dict[str, Tensor]
    membranes: list[Tensor] | None
    gates: Gates
    spiking: SpikingRest | None = None


@dataclass(frozen=True)
class Nudged:
    """A batch after the nudged phase.

    Attributes:
        responses: Mean rate and response of every settling population.
        point: The nudged fixed points' residual and steps; `states` holds the mean of the phases.
        beta: Nudge strength of each sample, shape (batch, 1), or one for all.
        output: Output rates s at the free fixed point, shape (batch, n_output).
        output_error: y - s of the output at the free fixed point, shape (batch, n_output); of a
            sequence, over its positions.
        span: beta_plus - beta_minus, shape as `beta`.
    """

    responses: dict[str, Response]
    point: FixedPoint
    beta: Tensor | float
    output: Tensor
    output_error: Tensor
    span: Tensor | float


def free_phase(
    model: EquilibriumNetwork,
    features: Tensor,
    *,
    tolerance: float | None = None,
    max_steps: int | None = None,
    solver: str | None = None,
    told: bool = False,
    watch: Callable[[Tensor, Tensor], None] | None = None,
) -> Free:
    """Settle without a nudge, from zero rates.

    Args:
        model: The network; not changed.
        features: Shape (batch, n_input).
        tolerance: Replaces equilibrium.tolerance.
        max_steps: Replaces equilibrium.max_steps.
        solver: Replaces equilibrium.solver.
        told: Whether a number of steps that the file fixes ends with a look at the residual, which takes
            about one more; in training it is looked at once an epoch.
        watch: Called after every step with the samples still at work and their residuals.

    Raises:
        StimulusError: The features do not fit the input population, or are not finite.
        UnsupportedError: An argument is out of range.
        SettleError: The state diverged; nothing is changed.
    """
    section = model.spec.equilibrium
    limits = _limits(model, section.free_steps, solver, tolerance, max_steps)
    limits = limits._replace(told=limits.told or told)
    rates, drive = model.drive(features)
    if model.spiking is not None:
        rest, end = spiking_free(model, drive, len(rates))
        return Free(_point(model, rest, resolution(model)), rates, drive, None, [], end)
    gates = dropout_gates(model)
    try:
        rest = settle(
            model.system.seeing(rates),
            competing(model, gated(Single(model.activations), gates), gates),
            [drive[name] for name in model.settling],
            [None] * len(model.settling),
            limits,
            watch=watch,
        )
        if not limits.measured:
            check_size(_unbounded(model, rest.states), limits.max_steps)
    except SettleError:
        _refuse_not_finite(model, rates)  # only now: a look at all features takes 1 % of a step
        raise
    point = _point(model, rest, limits.tolerance, fixed=not limits.measured)
    return Free(point, rates, drive, rest.membranes, winners(model, rest.states, gates))


def nudged_phase(
    model: EquilibriumNetwork,
    free: Free,
    target: Tensor,
    *,
    beta: float | None = None,
    phases: str | None = None,
    tolerance: float | None = None,
    max_steps: int | None = None,
) -> Nudged:
    """Settle again under the constant current -beta dC/ds, from the free fixed point.

    Args:
        model: The network; not changed.
        free: The free phase of the same batch.
        target: Shape (batch, n_output).
        beta: Replaces equilibrium.nudge.beta.
        phases: Replaces equilibrium.nudge.phases: 'centered', 'frozen', 'one_sided' or 'random_sign'.
        tolerance: Replaces equilibrium.tolerance.
        max_steps: Replaces equilibrium.max_steps.

    Raises:
        SettleError: The state diverged; nothing is changed.
        UnsupportedError: 'frozen' phases of a network whose currents are not linear, or phases whose
            rounding is above the response of a deep network's first layers.
    """
    section = model.spec.equilibrium
    phases = phases or section.nudge.phases
    if phases not in HOW:
        raise UnsupportedError(f"nudged phase: no phases {phases!r}; give one of {', '.join(HOW)}")
    if beta == 0.0:
        raise UnsupportedError("nudged phase: beta 0 moves nothing; give another number")
    if phases == "frozen" and not model.linear:
        raise UnsupportedError(
            f"nudged phase: {', '.join(model.attentions)} is attention, whose currents are not linear in the "
            "rates, and frozen phases need that; write centered or one_sided"
        )
    if phases not in ("centered", "frozen") or not model.linear:
        refuse_rounding(model, phases)
    output = model.readout(free.point.states)
    if target.shape != output.shape:
        raise DataError(f"nudged phase: target has shape {tuple(target.shape)}; give {tuple(output.shape)}")
    output_error = error(output, target, model.positions, model.cost)
    limits = _limits(model, section.nudged_steps, None, tolerance, max_steps)

    def nudged_by(strength: Tensor | float) -> Outcome:
        nudge = force_of(model, output_error * strength)
        if free.spiking is not None:
            both = SPAN[phases] == 2.0
            return spiking_responses(model, free.drive, free.spiking, nudge, strength, centered=both)
        if model.predictive:
            centered = phases == "centered"
            return predictive_phases(model, free.drive, nudge, strength, limits, centered=centered)
        return HOW[phases](model, free, nudge, strength, limits)

    strength = strength_of(
        model, partial(force_of, model, output_error), beta, lambda probe: nudged_by(probe)[1]
    )
    strength = strength * sign_of(model) if phases == "random_sign" else strength
    rest, responses = nudged_by(strength)
    means = {name: response.mean for name, response in responses.items()}
    resolved = free.point.tolerance if free.spiking else limits.tolerance
    point = FixedPoint(means, rest.residual, rest.steps, resolved, rest.events, free.spiking is not None)
    return Nudged(responses, point, strength, output, output_error, SPAN[phases] * strength)


def _point(model: EquilibriumNetwork, rest: Rest, tolerance: float, *, fixed: bool = False) -> FixedPoint:
    states = dict(zip(model.settling, rest.states, strict=True))
    spikes = model.spiking is not None
    return FixedPoint(states, rest.residual, rest.steps, tolerance, rest.events, spikes, fixed)


def _refuse_not_finite(model: EquilibriumNetwork, rates: Tensor) -> None:
    if not bool(torch.isfinite(rates).all()):
        sample, feature = (~torch.isfinite(rates)).nonzero()[0].tolist()
        raise StimulusError(
            f"population '{model.input_name}': feature {feature} of sample {sample} is "
            f"{float(rates[sample, feature])}; give finite numbers"
        )


def _unbounded(model: EquilibriumNetwork, states: list[Tensor]) -> list[Tensor]:
    """The states that nothing keeps from growing."""
    return [s for rho, s in zip(model.activations, states, strict=True) if rho.unbounded]


def _limits(
    model: EquilibriumNetwork,
    fixed: int | None,
    solver: str | None,
    tolerance: float | None,
    max_steps: int | None,
) -> Limits:
    """The file's limits, replaced by what the caller says; a caller's tolerance is always measured."""
    section = model.spec.equilibrium
    if solver is not None and solver not in SOLVERS:
        raise _out_of_range("solver", solver, f"one of {', '.join(SOLVERS)}")
    if tolerance is not None and not tolerance > 0.0:
        raise _out_of_range("tolerance", tolerance, "a number > 0")
    if max_steps is not None and not max_steps >= 1:
        raise _out_of_range("max_steps", max_steps, "a whole number >= 1")
    measured = fixed is None or tolerance is not None
    steps = section.max_steps if measured else fixed
    return Limits(
        solver or section.solver,
        section.tolerance if tolerance is None else tolerance,
        max_steps or steps or section.max_steps,
        measured,
        told=model.moment is not None and model.moment.told,
    )


def _out_of_range(name: str, given: object, rule: str) -> UnsupportedError:
    return UnsupportedError(f"settle: {name} {given!r} is out of range; give {rule}")
