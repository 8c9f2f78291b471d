"""What the choices of training and of the nudge must fulfil together with the network."""

from collections.abc import Iterator
from math import prod

from mep_neuro.topology.draft import Draft
from mep_neuro.topology.mistakes import Mistake

BLOCK_SOLVERS = ("sweeps", "lean")

_OF_METHOD = {
    "rank": ("dion", "auto"),
    "rank_frac": ("dion", "auto"),
    "error_feedback": ("dion", "auto"),
    "carry_error": ("dion", "auto"),
    "dion_thresh": ("auto",),
}
"""Keys of the consolidation that belong to some of its methods."""


def training_mistakes(draft: Draft) -> Iterator[Mistake]:
    """Dropout, sparsity, weights of few bits, and the strength of the nudge."""
    yield from _strength(draft)
    yield from _continual(draft)
    yield from _homeostasis(draft)
    yield from _consolidation(draft)
    for name, population in draft.populations.items():
        if population.dropout and population.role != "hidden":
            what = f"dropout acts on hidden populations and this is the {population.role}; remove it"
            yield Mistake(("populations", name, "dropout"), what)
        yield from _sparsity(draft, name)
    for name, projection in draft.projections.items():
        if projection.weight_bits is not None and projection.connector.type == "attention":
            what = "attention keeps its own norm and is not rounded; remove this, or write another connector"
            yield Mistake(("projections", name, "weight_bits"), what)


def _sparsity(draft: Draft, name: str) -> Iterator[Mistake]:
    population, path = draft.populations[name], ("populations", name, "sparsity")
    if population.sparsity is None:
        return
    size = prod(population.shape)
    if population.role != "hidden":
        what = f"sparsity acts on hidden populations and this is the {population.role}; remove it"
        yield Mistake(path, what)
    elif population.sparsity >= size:
        what = f"{population.sparsity} of {size} units leave none silent; write less, or remove it"
        yield Mistake(path, what)
    if draft.equilibrium is not None and draft.equilibrium.solver not in BLOCK_SOLVERS:
        what = (
            f"'{name}' is sparse, and only block updates ({' and '.join(BLOCK_SOLVERS)}) choose its units "
            f"without raising the energy, not {draft.equilibrium.solver}; write one of them"
        )
        yield Mistake(("equilibrium", "solver"), what)


def _homeostasis(draft: Draft) -> Iterator[Mistake]:
    section = None if draft.consolidation is None else draft.consolidation
    if section is None or section.homeostasis is None:
        return
    path = ("consolidation", "homeostasis")
    if section.spectral_bound is not None:
        what = "spectral_bound keeps the coupled map contracting already; keep one of them"
        yield Mistake(path, what)
    for name, projection in draft.projections.items():
        where, pre = ("projections", name), draft.populations.get(projection.pre.split("[")[0].strip())
        if pre is None or pre.role == "input":
            continue
        if projection.weight_bits is not None:
            what = "homeostasis scales each unit's synapses, and rounded weights have one scale; remove one"
            yield Mistake((*where, "weight_bits"), what)
        if projection.feedback == "random":
            what = "homeostasis cannot scale feedback that stays fixed; write feedback: tied, or remove it"
            yield Mistake((*where, "feedback"), what)


def _consolidation(draft: Draft) -> Iterator[Mistake]:
    section = draft.consolidation
    if section is None:
        return
    for key, methods in _OF_METHOD.items():
        if getattr(section, key) is not None and section.method not in methods:
            what = f"method {section.method} has no use for it; write {' or '.join(methods)}, or remove this"
            yield Mistake(("consolidation", key), what)
    for key in ("bound_of", "bound_mode"):
        if getattr(section, key) is not None and section.spectral_bound is None:
            yield Mistake(("consolidation", key), "there is no bound; write spectral_bound, or remove this")
    if section.rank is not None and section.rank_frac is not None:
        yield Mistake(("consolidation", "rank_frac"), "rank says the same; remove one of them")


def _continual(draft: Draft) -> Iterator[Mistake]:
    learning, equilibrium, consolidation = draft.learning, draft.equilibrium, draft.consolidation
    if learning is None or learning.mode != "continual":
        return
    if learning.optimizer != "sgd" or learning.momentum != 0.0:
        what = "weights that change at once keep no optimizer's state; write optimizer: sgd and momentum: 0.0"
        yield Mistake(("learning", "mode"), f"continual: {what}")
    if consolidation is not None and consolidation.method != "none":
        what = "continual learning leaves no sum of contrasts to orthogonalise; write none, or mode: phased"
        yield Mistake(("consolidation", "method"), what)
    for name, projection in draft.projections.items():
        if projection.connector.type == "attention":
            what = "attention does not learn in half-sweeps; write mode: phased, or another connector"
            yield Mistake(("projections", name, "connector", "type"), what)
    if equilibrium is None:
        return
    if equilibrium.solver != "sweeps":
        what = f"continual learning moves weights after half-sweeps, not {equilibrium.solver}; write sweeps"
        yield Mistake(("equilibrium", "solver"), what)
    if equilibrium.nudge.phases not in ("one_sided", "random_sign"):
        what = (
            f"continual learning follows one nudged phase, and {equilibrium.nudge.phases} has two; "
            "write one_sided or random_sign"
        )
        yield Mistake(("equilibrium", "nudge", "phases"), what)
    if equilibrium.nudge.beta == "auto":
        what = "continual learning has no phase before to measure the response in; write a number"
        yield Mistake(("equilibrium", "nudge", "beta"), what)


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
