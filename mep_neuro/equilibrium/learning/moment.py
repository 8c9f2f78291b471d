"""Where in training a batch stands, and what is drawn for it.

Signs and masks depend on seeds.noise and the number of the update alone: a run that was stopped draws
what it would have drawn, and nothing has to be kept.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from mep_neuro.equilibrium.model import EquilibriumNetwork

SIGN, DROPOUT, IMPORTANCE = 0, 1, 2
"""What a draw is for: draws of one update do not depend on each other."""


class Moment(NamedTuple):
    """A batch's place in training.

    Attributes:
        update: Number of its update, from 0.
        share: Share of the training that lies behind it, 0 to 1.
        told: Whether phases of a fixed number of steps measure where they end.
    """

    update: int
    share: float = 0.0
    told: bool = False


@contextmanager
def training_at(model: "EquilibriumNetwork", moment: Moment) -> Iterator[None]:
    """Phases within belong to this moment; outside there is none, and nothing is drawn."""
    model.moment = moment
    try:
        yield
    finally:
        model.moment = None


def draws(model: "EquilibriumNetwork", purpose: int) -> np.random.Generator:
    """Random numbers of the present update for one purpose; outside training, those of update 0."""
    update = 0 if model.moment is None else model.moment.update
    return np.random.default_rng([model.spec.seeds.noise, update, purpose])


def sign_of(model: "EquilibriumNetwork") -> float:
    """The sign of beta in the random-sign phase, +1 or -1.

    Source: Laborieux et al. 2021, section 3.1: a random sign removes the first-order bias on average.
    """
    return float(draws(model, SIGN).choice((-1.0, 1.0)))
