"""What the choices of training and of the nudge must fulfil together with the network."""

from collections.abc import Iterator

from mep_neuro.topology.draft import Draft
from mep_neuro.topology.mistakes import Mistake


def training_mistakes(draft: Draft) -> Iterator[Mistake]:
    """Dropout."""
    for name, population in draft.populations.items():
        if population.dropout and population.role != "hidden":
            what = f"dropout acts on hidden populations and this is the {population.role}; remove it"
            yield Mistake(("populations", name, "dropout"), what)
