"""Make the Brian2 objects of a spiking network."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.equations import inner_projections
from mep_neuro.converters.to_brian2.objects import Maker
from mep_neuro.converters.to_brian2.order import Order, named
from mep_neuro.converters.to_brian2.spiking.model import SpikingConverted, make_monitors
from mep_neuro.converters.to_brian2.spiking.objects import courses_of, neuron_group, synapses, values
from mep_neuro.simulation.conversion import ConversionReport
from mep_neuro.simulation.network import Network, Projection
from mep_neuro.simulation.spiking import neuron_of, spiking_currents


def spiking_model(
    maker: Maker, network: Network, slots: int, signs: Sequence[float], order: Order
) -> SpikingConverted:
    """The objects, in one Network.

    Args:
        maker: What they are made with.
        network: The network.
        slots: Slots of a phase.
        signs: Sign of the nudge in each phase.
        order: What else is asked for.

    Raises:
        UnsupportedError: A model without text here, or weights so large that sums lose exactness.
    """
    spiking_currents(network)
    populations, projections = named(network)
    groups = {}
    for p, name in populations:
        courses = {  # named the same each time: Cython's code holds the name, and is then compiled once
            gate: maker.brian2.TimedArray(course, dt=order.dt * maker.brian2.second, name=f"{gate}_{name}")
            for gate, course in courses_of(neuron_of(network, p.name), slots, signs).items()
        }
        groups[p.name] = neuron_group(maker, network, p, name, courses, len(signs))
    made = {
        q.name: synapses(maker, network, q, name, groups[q.pre], groups[q.post]) for q, name in projections
    }
    monitors = make_monitors(maker.brian2, groups) if order.traced else {}
    others = [monitor for pair in monitors.values() for monitor in pair]

    def weight_values(projection: Projection) -> dict[str, NDArray[np.float64]]:
        found: dict[str, NDArray[np.float64]] = values(projection, maker.samples)
        return found

    model = SpikingConverted(
        **order.attributes(maker, network, groups, made, others),
        report=_report(network, order.dropped),
        weight_values=weight_values,
        slots=slots,
        signs=tuple(float(sign) for sign in signs),
    )
    if order.program is None:
        model.set_weights()
    return model


def _report(network: Network, dropped: tuple[str, ...]) -> ConversionReport:
    exact = [
        f"population '{p.name}': {p.model} units, spike for spike the reference's" for p in network.dynamic
    ]
    exact += [
        f"projection '{q.name}': {q.feedback} weights, feedback gain {q.feedback_gain:g}, on_pre and on_post"
        for q in inner_projections(network)
    ]
    return ConversionReport("brian2", exact=tuple(exact), dropped=dropped)
