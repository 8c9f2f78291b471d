"""The energy of predictive coding, and its nudged phase.

    E(v) = sum_l 1/2 |e_l|^2,   e_l = v_l - b_l - W_l rho(v_{l-1})

The free phase has no errors: v_l = b_l + W_l rho(v_{l-1}), a forward pass. Under a nudge n the minimum of
E - n.v has e_l = n_l + rho'(v_l) W_{l+1}^T e_{l+1}, and v_l = b_l + W_l rho(v_{l-1}) + e_l. A sweep takes
the errors back and the values forth; the sweeps come to rest where both hold. Errors are of the order of
beta, and so is what each sweep leaves of the change of the one before. The contrast of a weight is
e_post rho(v_pre), nudged minus free, over beta: local, and as beta tends to 0 the gradient that
backpropagation finds in the forward network.

A unit of hard_sigmoid or relu whose minimum lies at a kink has no slope there: its sweeps may go to and
fro, and the residual tells.

Sources: Rao and Ballard 1999; Whittington and Bogacz 2017, equations 8 to 15; Scellier and Bengio 2017
for the phases.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from mep_neuro.equilibrium.couplings.dense import DenseCoupling
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.response import Response
from mep_neuro.equilibrium.settle import Limits, Rest, check_change
from mep_neuro.equilibrium.strength import size

SLOPE: dict[str, Callable[[Tensor], Tensor]] = {
    "hard_sigmoid": lambda v: ((v > 0) & (v < 1)).to(v.dtype),
    "relu": lambda v: (v > 0).to(v.dtype),
    "tanh": lambda v: 1 - torch.tanh(v).square(),
    "sigmoid": lambda v: torch.sigmoid(v) * torch.sigmoid(-v),
    "linear": torch.ones_like,
}
"""rho'."""

_Values = dict[str, Tensor]


class _End(NamedTuple):
    """Where one nudge leads: rates, errors, the residual of each sample, and the sweeps taken."""

    rates: _Values
    errors: _Values
    residual: Tensor
    steps: int


def predictive_phases(
    model: EquilibriumNetwork,
    drive: Mapping[str, Tensor],
    nudge: Mapping[str, Tensor],
    strength: Tensor | float,
    limits: Limits,
    *,
    centered: bool,
) -> tuple[Rest, dict[str, Response]]:
    """Settle under the nudge from the free phase, and under its opposite if centered.

    Args:
        model: The network; not changed.
        drive: Constant current of every settling population.
        nudge: -beta dC/drho of each population that the cost sees, shape (batch, n).
        strength: Beta, below 0 if the sign drawn is.
        limits: When to end; the residual is the largest change of a value, over the largest nudge.
        centered: Whether -beta is settled too, instead of the free phase taken.

    Raises:
        SettleError: The values diverged.
    """
    free = _forth(model, drive, {})
    pull = {name: f * _slope(model, name, free[name]) for name, f in nudge.items()}
    plus = _settled(model, drive, free, pull, limits)
    if centered:
        minus = _settled(model, drive, free, {name: -f for name, f in pull.items()}, limits)
    else:
        still = {name: torch.zeros_like(value) for name, value in free.items()}
        minus = _End(_rates(model, free), still, plus.residual, plus.steps)
    span = 2 * strength if centered else strength
    responses = {
        name: Response(
            (plus.rates[name] + minus.rates[name]) / 2,
            (plus.rates[name] - minus.rates[name]) / span,
            Response(
                (plus.errors[name] + minus.errors[name]) / 2, (plus.errors[name] - minus.errors[name]) / span
            ),
        )
        for name in model.settling
    }
    steps = torch.full_like(plus.residual, max(plus.steps, minus.steps), dtype=torch.int64)
    residual = torch.maximum(plus.residual, minus.residual)
    return Rest([plus.rates[name] for name in model.settling], None, residual, steps, None), responses


def _settled(
    model: EquilibriumNetwork, drive: Mapping[str, Tensor], free: _Values, pull: _Values, limits: Limits
) -> _End:
    values, scale = free, size(pull)
    for step in range(1, limits.max_steps + 1):
        errors = _back(model, values, pull)
        new = _forth(model, drive, errors)
        change = torch.stack([(new[n] - values[n]).abs().amax(-1) for n in new]).amax(0)
        values = new
        check_change(change, step)
        if limits.measured and bool((change <= limits.tolerance * scale).all()):
            break
    return _End(_rates(model, values), errors, change / scale, step)


def _forth(model: EquilibriumNetwork, drive: Mapping[str, Tensor], errors: Mapping[str, Tensor]) -> _Values:
    """Values from the input on, each what is predicted plus its error."""
    values: _Values = {}
    for name in model.settling:
        total = drive[name]
        for coupling in model.couplings.values():
            if coupling.post == name:
                rho = model.activations[model.settling.index(coupling.pre)]
                total = total + coupling.forward(rho.rate(values[coupling.pre]))
        values[name] = total + errors[name] if name in errors else total
    return values


def _back(model: EquilibriumNetwork, values: _Values, pull: Mapping[str, Tensor]) -> _Values:
    """Errors from the output on, each from those that it causes."""
    errors: _Values = {}
    for name in reversed(model.settling):
        total = torch.zeros_like(values[name])
        for coupling in model.couplings.values():
            if coupling.pre == name:
                assert isinstance(coupling, DenseCoupling)  # the reader refuses others
                total = total + coupling.pull(errors[coupling.post])
        total = total * _slope(model, name, values[name])
        errors[name] = total + pull[name] if name in pull else total
    return errors


def _rates(model: EquilibriumNetwork, values: _Values) -> _Values:
    return {n: rho.rate(values[n]) for n, rho in zip(model.settling, model.activations, strict=True)}


def _slope(model: EquilibriumNetwork, name: str, value: Tensor) -> Tensor:
    return SLOPE[model.network.populations[name].activation](value)
