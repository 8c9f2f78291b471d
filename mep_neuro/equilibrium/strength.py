"""How hard the nudged phase pulls: the force -dC/ds, and beta of each sample.

beta is the file's, or falls along training, or is found from the response. The response s(beta) - s(0)
is linear in beta only while it is small: tanh(a + u) has lost 1/3 u^2 of its slope at u, a clamped unit
leaves its range. `beta: auto` takes of each sample the largest beta at which no unit moves, and none is
pulled, by more than nudge.linear_range; it measures the response by a nudged phase of a tenth of that
pull, and so costs a second nudged settle.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.response import Response

FINAL_SHARE = 0.1
"""A linear schedule ends at this share of beta: at 0 a response would drown in rounding."""

LINEAR_RANGE = 0.05
"""Of `beta: auto` unless the file says it: tanh has lost 0.1 % of its slope there."""

PROBE_SHARE = 0.1
"""Share of the linear range by which the probe of `beta: auto` pulls the unit pulled most."""

_NONE = 1e-20  # a force or a response below this is none


def force_of(model: EquilibriumNetwork, output_error: Tensor) -> dict[str, Tensor]:
    """-dC/ds of the settling populations that the cost sees, at the free fixed point, over k.

    k is 1 at the output. Read-outs may see units of several k: the current that a cost beta C beside
    the energy is to a unit is -beta/k dC/ds, as a unit's own term there is k (G(s) - current s).
    """
    if not model.readouts:
        return {model.output_name: output_error}
    force: dict[str, Tensor] = {}
    for name, coupling in model.readouts.items():
        pull, gain, k = coupling.pull(output_error), model.readout_gain[name], model.pulled[name]
        if gain != 1.0:
            pull.mul_(gain)
        if k is not None:
            pull.div_(k)
        force[coupling.pre] = force[coupling.pre] + pull if coupling.pre in force else pull
    return force


def strength_of(
    model: EquilibriumNetwork,
    force: Callable[[], Mapping[str, Tensor]],
    beta: float | None,
    respond: Callable[[Tensor], Mapping[str, Response]],
) -> Tensor | float:
    """Beta of each sample, shape (batch, 1), or one for all.

    Args:
        model: The network and the moment in training.
        force: Gives -dC/ds of each population that is pulled, where beta depends on it.
        beta: What the caller wants instead of the file's; None follows the file.
        respond: The responses to a nudge of this strength, shape (batch, 1).
    """
    section = model.spec.equilibrium.nudge
    wanted = section.beta if beta is None else beta
    if isinstance(wanted, str):  # auto
        return _linear(model, force(), section.linear_range or LINEAR_RANGE, respond)
    beta = wanted
    if section.schedule == "linear" and model.moment is not None:
        beta *= 1.0 - (1.0 - FINAL_SHARE) * model.moment.share
    if section.max_current is None:
        return beta
    return torch.clamp(section.max_current / largest(force()).clamp_min(1e-30), max=beta).unsqueeze(1)


def _linear(
    model: EquilibriumNetwork,
    force: Mapping[str, Tensor],
    reach: float,
    respond: Callable[[Tensor], Mapping[str, Response]],
) -> Tensor:
    """The largest beta that keeps currents and responses within `reach`."""
    pull = largest(force).clamp_min(_NONE)
    responses = respond((PROBE_SHARE * reach / pull).unsqueeze(1))
    slopes = {
        name: r.slope * 2.0 ** -model.exponents[name] for name, r in responses.items() if r.slope is not None
    }
    return (reach / torch.maximum(pull, largest(slopes))).unsqueeze(1)


def size(nudge: Mapping[str, Tensor]) -> Tensor:
    """Largest |beta f| of each sample, shape (batch,)."""
    return largest(nudge).clamp_min(1e-30)


def largest(force: Mapping[str, Tensor]) -> Tensor:
    """Largest |f| of each sample, shape (batch,)."""
    parts = [f.abs().amax(-1) for f in force.values()]
    return parts[0] if len(parts) == 1 else torch.stack(parts).amax(0)
