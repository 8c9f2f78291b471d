"""What the projections of a network must fulfil together with its populations."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from mep_neuro.topology.connector_checks import connector_mistakes, feedback_mistakes, synapses_at_most
from mep_neuro.topology.draft import Draft
from mep_neuro.topology.mistakes import Mistake, unknown
from mep_neuro.topology.part import parse_part
from mep_neuro.topology.sequence_checks import sequence_mistakes
from mep_neuro.topology.spec import Attention, Conv2d, Lattice, OneToOne, Pointwise, Projection, Sparse

# A synapse takes 40 bytes when built (pre, post, slot, gain, weight): 200 million are 8 GB.
MAX_SYNAPSES = 200_000_000


@dataclass(frozen=True)
class End:
    """One side of a projection: the units of a population that it touches."""

    population: str
    ranges: tuple[range, ...]
    whole: bool

    @property
    def size(self) -> int:
        """Number of units."""
        return prod(map(len, self.ranges))


@dataclass(frozen=True)
class Wire:
    """A projection whose two ends exist."""

    name: str
    section: Projection
    pre: End
    post: End

    def wrong(self, key: str, what: str) -> Mistake:
        """A mistake at one of its keys."""
        return Mistake(("projections", self.name, *key.split(".")), what)

    @property
    def synapses(self) -> int:
        """Synapses, those of a lattice counted once a pair and at most (a cube has fewer at its faces).

        Attention has none: its weights count.
        """
        if isinstance(self.section.connector, Lattice):
            lattice = self.section.connector
            cube = (2 * lattice.radius + 1) ** 3 - 1
            return self.pre.size * (lattice.neighbours if lattice.radius == 1 else cube) // 2
        connector = self.section.connector
        if isinstance(connector, Attention):
            widths = len(self.pre.ranges[-1]) + len(self.post.ranges[-1])
            return connector.heads * connector.key_width * widths
        if isinstance(connector, Pointwise):
            return self.pre.size * self.post.size // len(self.pre.ranges[0])
        return synapses_at_most(self)


def projection_mistakes(draft: Draft) -> Iterator[Mistake]:
    """The ends of every projection, its connector, and what connects to what."""
    wires = []
    wrong = False
    for name, section in draft.projections.items():
        pre, post = _end(draft, name, "pre"), _end(draft, name, "post")
        yield from (end for end in (pre, post) if isinstance(end, Mistake))
        if not isinstance(pre, End) or not isinstance(post, End):
            wrong = True
            continue
        wire = Wire(name, section, pre, post)
        found = [*_direction(draft, wire), *_connector(draft, wire), *feedback_mistakes(draft, wire)]
        yield from (*found, *_start(wire), *_calibration(draft, wire))
        wrong = wrong or bool(found)
        if not found:
            wires.append(wire)
    yield from _repeated(wires)
    yield from _total(wires)
    if not wrong and not draft.broken:
        yield from _unreached(draft, wires)


def _end(draft: Draft, name: str, key: str) -> End | Mistake | None:
    """One end of a projection, what is wrong with it, or None where its population is wrong."""
    text: str = getattr(draft.projections[name], key)
    path = ("projections", name, key)
    try:
        part = parse_part(text)
        if part.population not in draft.population_names:
            if draft.broken_in("populations") == {"populations"}:
                return None
            return Mistake(path, unknown("population", part.population, draft.population_names))
        if part.population not in draft.populations:
            return None
        shape = draft.populations[part.population].shape
        return End(part.population, part.ranges(shape), part.index is None)
    except ValueError as error:
        return Mistake(path, str(error))


def _direction(draft: Draft, wire: Wire) -> Iterator[Mistake]:
    pre, post = wire.pre.population, wire.post.population
    if draft.populations[post].role == "input":
        what = f"'{post}' is clamped to the data and takes no input; project from it instead"
        yield wire.wrong("post", what)
    if draft.activation_of(pre) == "softmax" and draft.populations[pre].role == "output":
        what = f"'{pre}' is a softmax read-out and sends nothing; project into it, or use another activation"
        yield wire.wrong("pre", what)
    into_softmax = draft.activation_of(post) == "softmax" and draft.populations[post].role == "output"
    if into_softmax and draft.populations[pre].role == "input":
        what = (
            f"a softmax read-out sees settled units and '{pre}' is clamped; put a hidden population between"
        )
        yield wire.wrong("pre", what)


def _connector(draft: Draft, wire: Wire) -> Iterator[Mistake]:
    connector = wire.section.connector
    same = wire.pre.population == wire.post.population
    if isinstance(connector, Conv2d | OneToOne | Sparse):
        yield from connector_mistakes(draft, wire)
        return
    if isinstance(connector, Pointwise | Attention):
        yield from sequence_mistakes(draft, wire.name, wire.section)
        return
    if not isinstance(connector, Lattice):
        if same:
            what = (
                f"a dense projection joins two populations, and both ends are '{wire.pre.population}'; "
                "write a lattice, or another population"
            )
            yield wire.wrong("post", what)
        return
    if not same or not wire.pre.whole or not wire.post.whole:
        what = "a lattice couples one whole population with itself; write the same name, without index, twice"
        yield wire.wrong("post" if wire.pre.whole else "pre", what)
        return
    shape = draft.populations[wire.pre.population].shape
    if len(shape) != 3:
        what = (
            f"a lattice needs a population of three axes, not {len(shape)}; write a shape such as [6, 6, 6]"
        )
        yield wire.wrong("connector", what)
    elif connector.periodic and min(shape) < 2 * connector.radius + 1:
        needed = f"{2 * connector.radius + 1} units along each axis"
        needed += f" at radius {connector.radius}" if connector.radius > 1 else ""
        what = f"a periodic lattice needs {needed}, not {list(shape)}; write periodic: false"
        yield wire.wrong("connector.periodic", what)
    elif prod(shape) < 2:
        yield wire.wrong("connector", "a single unit has no neighbours; write a larger shape")


def _start(wire: Wire) -> Iterator[Mistake]:
    if wire.section.weight.init == "zeros" and wire.section.weight.spectral_radius is not None:
        what = "weights of zero have no spectral radius to scale; write init: normal, or remove this"
        yield wire.wrong("weight.spectral_radius", what)


def _calibration(draft: Draft, wire: Wire) -> Iterator[Mistake]:
    activation = draft.activation_of(wire.post.population)
    if wire.section.calibrate is not None and activation not in ("softmax", None):
        what = (
            f"only a softmax read-out is calibrated, and '{wire.post.population}' is {activation}; remove it"
        )
        yield wire.wrong("calibrate", what)


def _repeated(wires: list[Wire]) -> Iterator[Mistake]:
    first: dict[tuple[str, frozenset[tuple[str, tuple[range, ...]]]], str] = {}
    for wire in wires:
        ends = frozenset((end.population, end.ranges) for end in (wire.pre, wire.post))
        other = first.setdefault((wire.section.connector.type, ends), wire.name)
        if other != wire.name:
            what = f"'{other}' joins the same units already, and carries both directions; remove one of them"
            yield Mistake(("projections", wire.name), what)


def _total(wires: list[Wire]) -> Iterator[Mistake]:
    total = 0
    for wire in wires:
        total += wire.synapses
        if total > MAX_SYNAPSES:
            what = f"{total} synapses in all exceed the limit of {MAX_SYNAPSES}; use smaller populations"
            yield Mistake(("projections", wire.name), what)
            return


def _unreached(draft: Draft, wires: list[Wire]) -> Iterator[Mistake]:
    inputs, outputs = draft.with_role("input"), draft.with_role("output")
    if len(inputs) != 1 or len(outputs) != 1:
        return
    forward: dict[str, set[str]] = {name: set() for name in draft.populations}
    either: dict[str, set[str]] = {name: set() for name in draft.populations}
    for wire in wires:
        forward[wire.pre.population].add(wire.post.population)
        either[wire.pre.population].add(wire.post.population)
        either[wire.post.population].add(wire.pre.population)
    if outputs[0] not in _reached(forward, inputs[0]):
        what = f"no projections lead from '{inputs[0]}' to '{outputs[0]}'; check each pre and post"
        yield Mistake(("projections",), what)
    connected = _reached(either, inputs[0])
    for name in draft.populations:
        if name not in connected and name != outputs[0]:
            what = f"no projection joins it to the rest of the network; add one, or remove '{name}'"
            yield Mistake(("populations", name), what)
    if not any(_settles(draft, name) for name in draft.populations):
        what = "no population settles; add a hidden one between the input and the softmax read-out"
        yield Mistake(("populations",), what)


def _settles(draft: Draft, name: str) -> bool:
    return draft.populations[name].role != "input" and draft.activation_of(name) != "softmax"


def _reached(neighbours: dict[str, set[str]], start: str) -> set[str]:
    reached, waiting = {start}, [start]
    while waiting:
        found = neighbours[waiting.pop()] - reached
        reached |= found
        waiting.extend(found)
    return reached
