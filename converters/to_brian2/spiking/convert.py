"""Make the Brian2 objects of a spiking network."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.converted import ProjectionTable
from mep_neuro.converters.to_brian2.equations import identifiers, inner_projections
from mep_neuro.converters.to_brian2.objects import Maker
from mep_neuro.converters.to_brian2.spiking.model import SpikingConverted, make_monitors
from mep_neuro.converters.to_brian2.spiking.objects import courses_of, neuron_group, synapses, values
from mep_neuro.converters.to_brian2.standalone.program import Program
from mep_neuro.simulation.conversion import ConversionReport
from mep_neuro.simulation.network import Network, Projection
from mep_neuro.simulation.spiking import neuron_of, spiking_currents


def spiking_model(
    maker: Maker,
    network: Network,
    *,
    slots: int,
    signs: Sequence[float],
    trace: bool,
    dt: float,
    target: str,
    notes: tuple[str, ...],
    program: Program | None,
    dropped: tuple[str, ...],
) -> SpikingConverted:
    """The objects, in one Network.

    Args:
        maker: What they are made with.
        network: The network.
        slots: Slots of a phase.
        signs: Sign of the nudge in each phase.
        trace: Whether a standalone program records spikes and membranes.
        dt: One slot, seconds.
        target: Code generation target.
        notes: How it was chosen.
        program: The standalone program, or None.
        dropped: What is kept outside Brian2.

    Raises:
        UnsupportedError: A model without text here, or weights so large that sums lose exactness.
    """
    spiking_currents(network)
    inner = inner_projections(network)
    names = identifiers([p.name for p in network.dynamic] + [q.name for q in inner])
    groups = {}
    for p, name in zip(network.dynamic, names, strict=False):
        courses = {
            gate: maker.brian2.TimedArray(course, dt=dt * maker.brian2.second, name=f"{gate}_course*")
            for gate, course in courses_of(neuron_of(network, p.name), slots, signs).items()
        }
        groups[p.name] = neuron_group(maker, network, p, name, courses, len(signs))
    made = {
        q.name: synapses(maker, network, q, name, groups[q.pre], groups[q.post])
        for q, name in zip(inner, names[len(network.dynamic) :], strict=True)
    }
    monitors = make_monitors(maker.brian2, groups) if trace and program is not None else {}
    others = [monitor for pair in monitors.values() for monitor in pair]

    def weight_values(projection: Projection) -> dict[str, NDArray[np.float64]]:
        found: dict[str, NDArray[np.float64]] = values(projection, maker.samples)
        return found

    model = SpikingConverted(
        network=maker.brian2.Network(
            *groups.values(), *made.values(), *others, name="ep_network" if program else "ep_network*"
        ),
        populations=groups,
        projections=ProjectionTable(made, network),
        report=_report(network, inner, dropped),
        source=network,
        samples=maker.samples,
        dt=dt,
        target=target,
        notes=notes,
        weight_values=weight_values,
        program=program,
        slots=slots,
        signs=tuple(float(sign) for sign in signs),
    )
    if program is None:
        model.set_weights()
    return model


def _report(network: Network, inner: Sequence[Projection], dropped: tuple[str, ...]) -> ConversionReport:
    exact = [
        f"population '{p.name}': {p.model} units, spike for spike the reference's" for p in network.dynamic
    ]
    exact += [
        f"projection '{q.name}': {q.feedback} weights, feedback gain {q.feedback_gain:g}, on_pre and on_post"
        for q in inner
    ]
    return ConversionReport("brian2", exact=tuple(exact), dropped=dropped)
