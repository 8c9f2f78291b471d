"""Make the Brian2 objects of a rate network."""

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2 import dense
from mep_neuro.converters.to_brian2.converted import Converted, ProjectionTable
from mep_neuro.converters.to_brian2.equations import identifiers, inner_projections
from mep_neuro.converters.to_brian2.objects import Maker, part_names, projection_values
from mep_neuro.converters.to_brian2.standalone.program import Program
from mep_neuro.converters.to_brian2.standalone.settle import TRACE
from mep_neuro.simulation.conversion import ConversionReport
from mep_neuro.simulation.network import Network, Projection


def rate_model(
    maker: Maker,
    network: Network,
    connectivity: str,
    *,
    trace: bool,
    dt: float,
    target: str,
    notes: tuple[str, ...],
    program: Program | None,
    dropped: tuple[str, ...],
) -> Converted:
    """The objects, in one Network.

    Args:
        maker: What they are made with.
        network: The network.
        connectivity: 'synapses', or 'dense' for products where a projection joins whole populations.
        trace: Whether a standalone program records the rates.
        dt: Time step, seconds.
        target: Code generation target.
        notes: How it was chosen.
        program: The standalone program, or None.
        dropped: What is kept outside Brian2.
    """
    inner = inner_projections(network)
    names = identifiers([p.name for p in network.dynamic] + [q.name for q in inner])
    named = list(zip(inner, names[len(network.dynamic) :], strict=True))
    groups = {
        p.name: maker.neuron_group(p, name, part_names(named, p.name))
        for p, name in zip(network.dynamic, names, strict=False)
    }
    products = {q.name for q in inner if connectivity == "dense" and dense.possible(network, q)}
    made, others = {}, []
    for q, name in named:
        ends = groups[q.pre], groups[q.post]
        if q.name in products:
            made[q.name], *more = dense.product(maker, q, name, *ends)
            others += more
        else:
            made[q.name] = maker.synapses(q, name, *ends)
    if trace and program is not None:
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
        network=maker.brian2.Network(
            *groups.values(), *made.values(), *others, name="ep_network" if program else "ep_network*"
        ),
        populations=groups,
        projections=ProjectionTable(made, network),
        report=_report(network, products, target, dropped),
        source=network,
        samples=maker.samples,
        dt=dt,
        target=target,
        notes=notes,
        weight_values=values,
        program=program,
    )
    if program is None:
        model.set_weights()
    return model


def _report(network: Network, products: set[str], target: str, dropped: tuple[str, ...]) -> ConversionReport:
    """Nothing is approximated: the equations and the solver are the reference's."""
    exact = [f"population '{p.name}': {p.activation} rate units, explicit Euler" for p in network.dynamic]
    inner = inner_projections(network)
    exact += [
        f"projection '{q.name}': {_feedback(q)}, feedback gain {q.feedback_gain:g}"
        + (f", as a dense product in {_language(target)}" if q.name in products else "")
        for q in inner
    ]
    return ConversionReport("brian2", exact=tuple(exact), dropped=dropped)


def _language(target: str) -> str:
    return "C++" if target == "cpp_standalone" else "numpy"


def _feedback(projection: Projection) -> str:
    return (
        "random fixed feedback weights"
        if projection.feedback == "random"
        else f"{projection.feedback} weights"
    )
