"""What the choices of training and of the nudge must fulfil together with the network."""

from collections.abc import Iterator

from mep_neuro.topology.draft import Draft
from mep_neuro.topology.mistakes import Mistake


def training_mistakes(draft: Draft) -> Iterator[Mistake]:
    """Dropout, and weights of few bits."""
    for name, population in draft.populations.items():
        if population.dropout and population.role != "hidden":
            what = f"dropout acts on hidden populations and this is the {population.role}; remove it"
            yield Mistake(("populations", name, "dropout"), what)
    for name, projection in draft.projections.items():
        if projection.weight_bits is not None and projection.connector.type == "attention":
            what = "attention keeps its own norm and is not rounded; remove this, or write another connector"
            yield Mistake(("projections", name, "weight_bits"), what)
