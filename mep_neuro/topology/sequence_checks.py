"""What the connectors of sequences must fulfil: pointwise and attention act along the first axis."""

from collections.abc import Iterator

from mep_neuro.topology.draft import Draft
from mep_neuro.topology.mistakes import Mistake
from mep_neuro.topology.part import parse_part
from mep_neuro.topology.spec import Attention, Pointwise, Projection


def sequence_mistakes(draft: Draft, name: str, section: Projection) -> Iterator[Mistake]:
    """What is wrong with a pointwise or an attention projection whose two ends exist."""
    if isinstance(section.connector, Pointwise):
        yield from _pointwise(draft, name, section)
    elif isinstance(section.connector, Attention):
        yield from _attention(draft, name, section)


def _pointwise(draft: Draft, name: str, section: Projection) -> Iterator[Mistake]:
    lengths = []
    for key in ("pre", "post"):
        shape = _part_shape(draft, getattr(section, key))
        if len(shape) != 2:
            what = f"a pointwise projection needs two axes (positions, units), not {len(shape)}; write both"
            yield _wrong(name, key, what)
            return
        lengths.append(shape[0])
    if parse_part(section.pre).population == parse_part(section.post).population:
        what = "a pointwise projection joins two populations; write another population, or attention"
        yield _wrong(name, "post", what)
    if lengths[0] != lengths[1]:
        what = (
            f"a pointwise projection joins equal positions, and there are {lengths[0]} before and "
            f"{lengths[1]} after; give both the same first axis"
        )
        yield _wrong(name, "connector", what)


def _attention(draft: Draft, name: str, section: Projection) -> Iterator[Mistake]:
    for key in ("pre", "post"):
        part = parse_part(getattr(section, key))
        axes = len(draft.populations[part.population].shape)
        if part.index is not None:
            yield _wrong(name, key, "attention joins whole populations; write the name without index")
            return
        if axes != 2:
            what = f"attention needs two axes (tokens, units), not {axes}; write a shape such as [8, 64]"
            yield _wrong(name, key, what)
            return
    within = section.pre.strip() == section.post.strip()
    if within and draft.populations[section.pre.strip()].shape[0] < 2:
        yield _wrong(name, "connector", "a single token has no other to attend to; write a longer first axis")
    if within and section.feedback_gain != 1.0:
        what = (
            "self attention sends both ways between the same tokens, and has an energy at a gain of 1 only; "
            "remove this"
        )
        yield _wrong(name, "feedback_gain", what)
    if draft.activation_of(section.post.strip()) == "softmax":
        what = "attention reaches settling units and this is a softmax read-out; write pointwise or dense"
        yield _wrong(name, "connector", what)
    if draft.equilibrium is not None and draft.equilibrium.nudge.phases == "frozen":
        what = (
            f"'{name}' is attention, whose currents are not linear in the rates; write centered or one_sided"
        )
        yield Mistake(("equilibrium", "nudge", "phases"), what)
    if section.weight.spectral_radius is not None:
        what = "attention is no part of the coupled map; remove this, or write spectral_norm in the connector"
        yield _wrong(name, "weight.spectral_radius", what)


def _part_shape(draft: Draft, text: str) -> tuple[int, ...]:
    """Length of each axis of a part; an index of one number keeps its axis, with length 1."""
    part = parse_part(text)
    return tuple(map(len, part.ranges(draft.populations[part.population].shape)))


def _wrong(name: str, key: str, what: str) -> Mistake:
    return Mistake(("projections", name, *key.split(".")), what)
