"""Make the Brian2 objects of a rate network."""

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2 import dense
from mep_neuro.converters.to_brian2.converted import Converted
from mep_neuro.converters.to_brian2.equations import inner_projections
from mep_neuro.converters.to_brian2.objects import Maker, part_names, projection_values
from mep_neuro.converters.to_brian2.order import Order, named
from mep_neuro.converters.to_brian2.standalone.settle import TRACE
from mep_neuro.simulation.conversion import ConversionReport
from mep_neuro.simulation.network import Network, Projection


def rate_model(maker: Maker, network: Network, connectivity: str, order: Order) -> Converted:
    """The objects, in one Network.

    Args:
        maker: What they are made with.
        network: The network.
        connectivity: 'synapses', or 'dense' for products where a projection joins whole populations.
        order: What else is asked for.
    """
    populations, projections = named(network)
    groups = {p.name: maker.neuron_group(p, name, part_names(projections, p.name)) for p, name in populations}
    products = {q.name for q, _ in projections if connectivity == "dense" and dense.possible(network, q)}
    made, others = {}, []
    for q, name in projections:
        ends = groups[q.pre], groups[q.post]
        if q.name in products:
            made[q.name], *more = dense.product(maker, q, name, *ends)
            others += more
        else:
            made[q.name] = maker.synapses(q, name, *ends)
    if order.traced:
        others += [
            maker.brian2.StateMonitor(group, "r", record=True, when="end", name=f"{TRACE}{group.name}")
            for group in groups.values()
        ]

    def values(projection: Projection) -> dict[str, NDArray[np.float64]]:
        found: dict[str, NDArray[np.float64]] = (
            dense.values(projection)
            if projection.name in products
            else projection_values(projection, maker.samples)
        )
        return found

    model = Converted(
        **order.attributes(maker, network, groups, made, others),
        report=_report(network, products, order),
        weight_values=values,
    )
    if order.program is None:
        model.set_weights()
    return model


def _report(network: Network, products: set[str], order: Order) -> ConversionReport:
    """Nothing is approximated: the equations and the solver are the reference's."""
    exact = [f"population '{p.name}': {p.activation} rate units, explicit Euler" for p in network.dynamic]
    inner = inner_projections(network)
    exact += [
        f"projection '{q.name}': {_feedback(q)}, feedback gain {q.feedback_gain:g}"
        + (f", as a dense product in {_language(order.target)}" if q.name in products else "")
        for q in inner
    ]
    return ConversionReport("brian2", exact=tuple(exact), dropped=order.dropped)


def _language(target: str) -> str:
    return "C++" if target == "cpp_standalone" else "numpy"


def _feedback(projection: Projection) -> str:
    return (
        "random fixed feedback weights"
        if projection.feedback == "random"
        else f"{projection.feedback} weights"
    )
