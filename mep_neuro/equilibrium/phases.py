"""The free phase and the nudged phase, both through one settle.

Source: Scellier and Bengio 2017 (phases); Laborieux et al. 2021 (centered, -beta and +beta).
The nudge is the constant current -beta dC/ds taken at the free fixed point (design).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from mep_neuro.equilibrium.cost import error
from mep_neuro.equilibrium.fixed_point import FixedPoint
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.modes import Mirrored, Single
from mep_neuro.equilibrium.response import Response
from mep_neuro.equilibrium.settle import settle
from mep_neuro.equilibrium.system import System


@dataclass(frozen=True)
class Free:
    """A batch in the free phase.

    Attributes:
        point: The free fixed point.
        input_rates: Rates of the clamped input, shape (batch, n_input).
        drive: Constant current of every settling population.
    """

    point: FixedPoint
    input_rates: Tensor
    drive: dict[str, Tensor]


@dataclass(frozen=True)
class Nudged:
    """A batch after the nudged phase.

    Attributes:
        responses: Mean rate and response of every settling population.
        point: The nudged fixed points' residual and steps; `states` holds the mean of the phases.
        beta: Nudge strength of each sample, shape (batch, 1).
        output_error: y - s of the output at the free fixed point, shape (batch, n_output).
    """

    responses: dict[str, Response]
    point: FixedPoint
    beta: Tensor
    output_error: Tensor


def free_phase(
    model: EquilibriumNetwork,
    features: Tensor,
    *,
    tolerance: float | None = None,
    max_steps: int | None = None,
    solver: str | None = None,
    watch: Callable[[Tensor, Tensor], None] | None = None,
) -> Free:
    """Settle without a nudge, from zero rates.

    Args:
        model: The network; not changed.
        features: Shape (batch, n_input).
        tolerance: Replaces equilibrium.tolerance.
        max_steps: Replaces equilibrium.max_steps.
        solver: Replaces equilibrium.solver.
        watch: Called after every step with the samples still at work and their residuals.

    Raises:
        StimulusError: The features do not fit the input population.
        SettleError: The state diverged; nothing is changed.
    """
    section = model.spec.equilibrium
    rates, drive = model.drive(features)
    tolerance = section.tolerance if tolerance is None else tolerance
    states, residual, steps = settle(
        System(model),
        Single(model.activations),
        [drive[name] for name in model.settling],
        [torch.zeros_like(drive[name]) for name in model.settling],
        solver=solver or section.solver,
        tolerance=tolerance,
        max_steps=max_steps or section.max_steps,
        watch=watch,
    )
    point = FixedPoint(dict(zip(model.settling, states, strict=True)), residual, steps, tolerance)
    return Free(point, rates, drive)


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
        phases: Replaces equilibrium.nudge.phases, 'centered' or 'one_sided'.
        tolerance: Replaces equilibrium.tolerance.
        max_steps: Replaces equilibrium.max_steps.

    Raises:
        SettleError: The state diverged; nothing is changed.
    """
    section = model.spec.equilibrium
    output_error = error(model.readout(free.point.states), target)
    force = _force(model, output_error)
    largest = torch.stack([f.abs().amax(-1) for f in force.values()]).amax(0)
    strength = _strength(largest, section.nudge.beta if beta is None else beta, section.nudge.max_current)
    nudge = {name: strength * f for name, f in force.items()}
    settings = _Settings(
        solver=section.solver,
        tolerance=section.tolerance if tolerance is None else tolerance,
        max_steps=max_steps or section.max_steps,
    )
    how = _centered if (phases or section.nudge.phases) == "centered" else _one_sided
    responses, residual, steps = how(model, free, nudge, strength, settings)
    means = {name: response.mean for name, response in responses.items()}
    point = FixedPoint(means, residual, steps, settings.tolerance)
    return Nudged(responses, point, strength, output_error)


def _force(model: EquilibriumNetwork, output_error: Tensor) -> dict[str, Tensor]:
    """-dC/ds of the settling populations that the cost sees, at the free fixed point."""
    if not model.readouts:
        return {model.output_name: output_error}
    force: dict[str, Tensor] = {}
    for name, coupling in model.readouts.items():
        pull = output_error @ coupling.weight * model.readout_gain[name]
        spread = coupling.spread(pull, coupling.pre_units, coupling.pre_size)
        force[coupling.pre] = force[coupling.pre] + spread if coupling.pre in force else spread
    return force


def _strength(largest: Tensor, beta: float, max_current: float | None) -> Tensor:
    """Beta of each sample, shape (batch, 1)."""
    if max_current is None:
        return torch.full_like(largest, beta).unsqueeze(1)
    return torch.clamp(max_current / largest.clamp_min(1e-30), max=beta).unsqueeze(1)


@dataclass(frozen=True)
class _Settings:
    solver: str
    tolerance: float
    max_steps: int


_Outcome = tuple[dict[str, Response], Tensor, Tensor]


def _centered(
    model: EquilibriumNetwork, free: Free, nudge: dict[str, Tensor], strength: Tensor, settings: _Settings
) -> _Outcome:
    """The fixed points at -beta and +beta, settled together as mean and half-difference."""
    size = torch.stack([n.abs().amax(-1) for n in nudge.values()]).amax(0).clamp_min(1e-30)
    drive = [
        torch.stack([free.drive[name], nudge.get(name, torch.zeros_like(free.drive[name]))])
        for name in model.settling
    ]
    start = [torch.stack([s, torch.zeros_like(s)]) for s in free.point.states.values()]
    mode = Mirrored(model.activations, model.energy_weights, size)
    states, residual, steps = settle(System(model), mode, drive, start, **asdict(settings))
    responses = {
        name: Response(state[0], state[1] / strength)
        for name, state in zip(model.settling, states, strict=True)
    }
    return responses, residual, steps


def _one_sided(
    model: EquilibriumNetwork, free: Free, nudge: dict[str, Tensor], strength: Tensor, settings: _Settings
) -> _Outcome:
    """The fixed points at 0 and +beta."""
    drive = [free.drive[name] + nudge[name] if name in nudge else free.drive[name] for name in model.settling]
    start = list(free.point.states.values())
    mode = Single(model.activations)
    states, residual, steps = settle(System(model), mode, drive, start, **asdict(settings))
    responses = {
        name: Response((state + rest) / 2, (state - rest) / strength)
        for name, state, rest in zip(model.settling, states, start, strict=True)
    }
    return responses, residual, steps
