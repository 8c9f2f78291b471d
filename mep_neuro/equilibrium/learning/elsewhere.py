"""Learning from states that settled elsewhere: on a chip, in an emulation, in another simulator.

There the network settles freely, and again under a constant current on its output, once to each side; here
the contrast of the states is formed, as of states that settled in torch, and the weights are consolidated.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.cost import error
from mep_neuro.equilibrium.fixed_point import FixedPoint
from mep_neuro.equilibrium.held import held
from mep_neuro.equilibrium.learning.moment import sign_of
from mep_neuro.equilibrium.learning.trainer import Gradient, Step
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import Free, Nudged
from mep_neuro.equilibrium.response import Response
from mep_neuro.equilibrium.strength import force_of, strength_of
from mep_neuro.errors import UnsupportedError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Settled:
    """Where a batch came to rest elsewhere.

    Attributes:
        rates: Rates of every settling population, shape (batch, n) each.
        steps: Steps each sample took, shape (batch,).
        settled: Whether each came to rest, shape (batch,).
    """

    rates: Mapping[str, Array]
    steps: NDArray[np.int64]
    settled: NDArray[np.bool_]


class Phases(Protocol):
    """One batch on another substrate, with the present weights."""

    def free(self) -> Settled:
        """Settle without a nudge."""

    def nudged(self, current: Mapping[str, Array]) -> Settled:
        """Settle from the free fixed point under further constant currents, shape (batch, n) each."""


Begin = Callable[[EquilibriumNetwork, Array], Phases]
"""Bring the present weights and a batch of features, shape (batch, n_input), to the substrate."""


def refuse_elsewhere(model: EquilibriumNetwork, where: str) -> None:
    """Refuse what learning from two settled states does not have.

    Raises:
        UnsupportedError: Each part of the file, by name, with what to write instead.
    """
    nudge = model.spec.equilibrium.nudge
    wrong = []
    if nudge.phases == "frozen":
        wrong.append(
            "equilibrium.nudge.phases: frozen phases settle half-differences; write centered or one_sided"
        )
    if isinstance(nudge.beta, str):
        wrong.append("equilibrium.nudge.beta: auto is measured in torch; write a number, such as 0.3")
    if model.spec.learning.mode == "continual":
        wrong.append("learning.mode: continual moves the weights while they are there; write phased")
    wrong += [
        f"populations.{name}.dropout: units are silenced in torch alone; leave it out"
        for name, population in model.spec.populations.items()
        if population.dropout
    ]
    if wrong:
        raise UnsupportedError("\n".join(f"{line} (training on {where})" for line in wrong))


def states_from(begin: Begin) -> Gradient:
    """The contrast of a batch from the fixed points of another substrate.

    Source: Scellier and Bengio 2017, equation 11; chip-in-the-loop training as in Schmitt and others 2017,
    'Neuromorphic hardware in the loop', IJCNN.
    """

    def gradient(model: EquilibriumNetwork, features: Tensor, target: Tensor) -> Step:
        phases = begin(model, features.double().numpy())
        settled = phases.free()
        input_rates, drive = model.drive(features)
        point = _point(model, settled)
        free = Free(point, input_rates, drive, None, [None] * len(model.settling))
        output = model.readout(point.states)
        output_error = error(output, target, model.positions, model.cost)
        force = force_of(model, output_error)
        strength = strength_of(model, lambda: force, None, _no_probe)
        if model.spec.equilibrium.nudge.phases == "random_sign":
            strength = strength * sign_of(model)
        plus = _nudged(model, phases, force, strength)
        one_sided = model.spec.equilibrium.nudge.phases != "centered"
        minus = point if one_sided else _nudged(model, phases, force, -strength)
        span = strength * (1.0 if one_sided else 2.0)
        responses = {
            name: Response(
                (plus.states[name] + minus.states[name]) / 2,
                held(model, name, (plus.states[name] - minus.states[name]) / span),
            )
            for name in model.settling
        }
        end = FixedPoint(
            {name: response.mean for name, response in responses.items()},
            torch.maximum(plus.residual, minus.residual),
            plus.steps + (0 if one_sided else minus.steps),
            point.tolerance,
        )
        nudged = Nudged(responses, end, strength, output, output_error, span)
        return Step(contrast(model, free, nudged), output, (point, end))

    return gradient


def _nudged(
    model: EquilibriumNetwork, phases: Phases, force: Mapping[str, Tensor], strength: Tensor | float
) -> FixedPoint:
    current = {name: (f * strength).double().numpy() for name, f in force.items()}
    return _point(model, phases.nudged(current))


def _point(model: EquilibriumNetwork, settled: Settled) -> FixedPoint:
    """As a fixed point of the model; its residual is 0 where the sample came to rest, else infinite."""
    states = {name: torch.as_tensor(settled.rates[name]).to(model.dtype) for name in model.settling}
    residual = torch.as_tensor(np.where(settled.settled, 0.0, np.inf))
    return FixedPoint(states, residual, torch.as_tensor(settled.steps), model.spec.equilibrium.tolerance)


def _no_probe(strength: Tensor) -> Mapping[str, Response]:
    raise UnsupportedError("equilibrium.nudge.beta: auto is measured in torch; write a number, such as 0.3")
