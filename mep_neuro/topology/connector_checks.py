"""What convolutions, one-to-one and sparse projections must fulfil, and feedback of another kind."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mep_neuro.topology.convolution import convolution_shape
from mep_neuro.topology.draft import Draft
from mep_neuro.topology.mistakes import Mistake
from mep_neuro.topology.spec import Conv2d, Dense, OneToOne, Sparse

if TYPE_CHECKING:
    from mep_neuro.topology.projection_checks import Wire

TWO_POPULATIONS = (Dense, Conv2d, OneToOne, Sparse)
"""Connectors between two populations, whose feedback may be other than tied."""


def connector_mistakes(draft: Draft, wire: "Wire") -> Iterator[Mistake]:
    """What is wrong with a projection that is a convolution, one-to-one or sparse."""
    connector = wire.section.connector
    if wire.pre.population == wire.post.population:
        what = (
            f"a {connector.type} projection joins two populations, and both ends are "
            f"'{wire.pre.population}'; write a lattice, or another population"
        )
        yield wire.wrong("post", what)
    elif _is_read_out(draft, wire):
        yield wire.wrong("connector.type", f"a softmax read-out is dense, not {connector.type}; write dense")
    elif isinstance(connector, OneToOne) and wire.pre.size != wire.post.size:
        what = (
            f"joins {wire.pre.size} units to {wire.post.size}, and one_to_one needs as many; "
            "give both ends the same size, or write dense"
        )
        yield wire.wrong("connector", what)
    elif isinstance(connector, Conv2d):
        yield from _convolution(draft, wire, connector)


def feedback_mistakes(draft: Draft, wire: "Wire") -> Iterator[Mistake]:
    """Feedback that is random or antisymmetric where nothing is sent back, or where it must be tied."""
    feedback = wire.section.feedback
    if feedback == "tied":
        return
    if not isinstance(wire.section.connector, TWO_POPULATIONS):
        what = f"a {wire.section.connector.type} has tied feedback, not {feedback}; write tied, or remove it"
        yield wire.wrong("feedback", what)
    elif draft.populations[wire.pre.population].role == "input":
        yield wire.wrong("feedback", f"'{wire.pre.population}' is clamped and gets no feedback; remove this")
    elif _is_read_out(draft, wire):
        what = f"'{wire.post.population}' is a softmax read-out and sends nothing back; remove this"
        yield wire.wrong("feedback", what)


def synapses_at_most(wire: "Wire") -> int:
    """Synapses of a projection: of a convolution before those at the edges fall away, of sparse the mean."""
    connector = wire.section.connector
    if isinstance(connector, OneToOne):
        return wire.pre.size
    if isinstance(connector, Sparse):
        return int(wire.pre.size * wire.post.size * connector.probability)
    if isinstance(connector, Conv2d):
        channels = len(wire.pre.ranges[0]) if len(wire.pre.ranges) == 3 else 1
        return wire.post.size * channels * (connector.kernel * connector.pool) ** 2
    return wire.pre.size * wire.post.size


def _convolution(draft: Draft, wire: "Wire", connector: Conv2d) -> Iterator[Mistake]:
    for key, end in (("pre", wire.pre), ("post", wire.post)):
        axes = len(draft.populations[end.population].shape)
        if not end.whole:
            yield wire.wrong(key, "a convolution joins whole populations; write the name without index")
            return
        if axes == 1:
            what = f"'{end.population}' has one axis and a convolution needs images; write a shape such as "
            yield wire.wrong(key, f"{what}[1, 28, 28]")
            return
    if connector.padding == "same" and connector.kernel % 2 == 0:
        what = f"same needs an odd kernel, not {connector.kernel}; write a number of zeros, or another kernel"
        yield wire.wrong("connector.padding", what)
        return
    post = draft.populations[wire.post.population].shape
    shape = convolution_shape(connector, draft.populations[wire.pre.population].shape, post)
    if min(shape.convolved) < 1:
        what = (
            f"{connector.kernel} exceeds the image of {shape.image[0]} x {shape.image[1]} with "
            f"{shape.padding} zeros on each side; write a smaller kernel"
        )
        yield wire.wrong("connector.kernel", what)
    elif any(n % connector.pool for n in shape.convolved):
        height, width = shape.convolved
        what = (
            f"{connector.pool} does not divide the {height} x {width} of the convolution; write another pool"
        )
        yield wire.wrong("connector.pool", what)
    elif post[-2:] != shape.pooled:
        what = (
            f"'{wire.post.population}' is {post[-2]} x {post[-1]}, and the convolution gives "
            f"{shape.pooled[0]} x {shape.pooled[1]}; write shape [{shape.out_channels}, "
            f"{shape.pooled[0]}, {shape.pooled[1]}] there"
        )
        yield wire.wrong("connector", what)


def _is_read_out(draft: Draft, wire: "Wire") -> bool:
    name = wire.post.population
    return draft.populations[name].role == "output" and draft.activation_of(name) == "softmax"
