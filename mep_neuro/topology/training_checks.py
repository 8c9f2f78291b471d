"""What the choices of training and of the nudge must fulfil together with the network."""

from collections.abc import Iterator

from mep_neuro.topology.draft import Draft
from mep_neuro.topology.mistakes import Mistake


def training_mistakes(draft: Draft) -> Iterator[Mistake]:
    """Dropout, weights of few bits, and the strength of the nudge."""
    yield from _strength(draft)
    for name, population in draft.populations.items():
        if population.dropout and population.role != "hidden":
            what = f"dropout acts on hidden populations and this is the {population.role}; remove it"
            yield Mistake(("populations", name, "dropout"), what)
    for name, projection in draft.projections.items():
        if projection.weight_bits is not None and projection.connector.type == "attention":
            what = "attention keeps its own norm and is not rounded; remove this, or write another connector"
            yield Mistake(("projections", name, "weight_bits"), what)


def _strength(draft: Draft) -> Iterator[Mistake]:
    nudge = None if draft.equilibrium is None else draft.equilibrium.nudge
    if nudge is None:
        return
    path = ("equilibrium", "nudge")
    if nudge.beta == "auto" and nudge.schedule != "constant":
        yield Mistake((*path, "schedule"), "beta: auto follows the response and no schedule; remove this")
    if nudge.beta == "auto" and nudge.max_current is not None:
        what = "beta: auto keeps every current within linear_range; remove this, or lower linear_range"
        yield Mistake((*path, "max_current"), what)
    if nudge.beta != "auto" and nudge.linear_range is not None:
        what = "only beta: auto looks at the response; write that, or remove this"
        yield Mistake((*path, "linear_range"), what)
