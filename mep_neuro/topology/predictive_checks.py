"""What a network with the energy of predictive coding must fulfil: layers, each predicting the next."""

from collections.abc import Iterator

from mep_neuro.topology.draft import Draft
from mep_neuro.topology.mistakes import Mistake


def predictive_mistakes(draft: Draft) -> Iterator[Mistake]:
    """Everything that has no meaning without coupled rates."""
    equilibrium = draft.equilibrium
    if equilibrium is None or equilibrium.energy != "predictive_coding":
        return
    yield from _projections(draft)
    for name, population in draft.populations.items():
        for key, wrong in (("dropout", population.dropout), ("sparsity", population.sparsity)):
            if wrong:
                what = f"predictive coding has no {key}; remove it, or write energy: hopfield"
                yield Mistake(("populations", name, key), what)
    if equilibrium.solver != "sweeps":
        what = f"predictive coding settles by sweeps, not {equilibrium.solver}; write sweeps"
        yield Mistake(("equilibrium", "solver"), what)
    if equilibrium.nudge.phases == "frozen":
        what = "predictive coding has no currents to freeze; write centered, one_sided or random_sign"
        yield Mistake(("equilibrium", "nudge", "phases"), what)
    if draft.learning is not None and draft.learning.mode == "continual":
        what = "predictive coding learns after the phases; write phased"
        yield Mistake(("learning", "mode"), what)
    if draft.consolidation is not None:
        for key in ("spectral_bound", "homeostasis"):
            if getattr(draft.consolidation, key) is not None:
                what = "predictive coding settles forwards, whatever the coupled map; remove this"
                yield Mistake(("consolidation", key), what)


def _projections(draft: Draft) -> Iterator[Mistake]:
    into: dict[str, str] = {}
    for name, projection in draft.projections.items():
        where = ("projections", name)
        if projection.connector.type != "dense":
            what = f"predictive coding joins dense layers, not {projection.connector.type}; write dense"
            yield Mistake((*where, "connector", "type"), what)
        if projection.feedback != "tied" or projection.feedback_gain != 1.0:
            key = "feedback" if projection.feedback != "tied" else "feedback_gain"
            what = "predictive coding sends errors back through the same weights; remove this"
            yield Mistake((*where, key), what)
        post = projection.post.split("[")[0].strip()
        if into.setdefault(post, name) != name:
            what = f"'{into[post]}' predicts '{post}' already, and layers have one before them; remove one"
            yield Mistake((*where, "post"), what)
