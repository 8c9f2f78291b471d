"""Convert a network to Brian2, and settle a batch of presentations there."""

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.converted import Converted, ProjectionTable
from mep_neuro.converters.to_brian2.equations import identifiers, inner_projections
from mep_neuro.converters.to_brian2.objects import (
    code_object_class,
    import_brian2,
    neuron_group,
    part_names,
    synapses,
)
from mep_neuro.errors import StimulusError, UnsupportedError
from mep_neuro.simulation.conversion import ConversionReport
from mep_neuro.simulation.network import Network, Projection
from mep_neuro.simulation.recording import Recording, RunOptions
from mep_neuro.simulation.torch_only import refuse_torch_only


def convert(
    network: Network, *, samples: int = 1, dt: float | None = None, target: str = "numpy"
) -> Converted:
    """Make Brian2 objects of a rate network.

    Args:
        network: The network; its weights are copied.
        samples: Presentations to settle at once.
        dt: Time step, seconds; the file's equilibrium.dt unless given.
        target: Code generation target: 'numpy', or 'cython', which first compiles for half a minute.

    Raises:
        UnsupportedError: A neuron model, an activation, the time step, the target or the device has
            no place here; the message names it.
        StimulusError: `samples` is below 1.
        BackendMissingError: Brian2 is not installed or cannot be imported.
    """
    brian2, step = import_brian2(), network.spec.equilibrium.dt if dt is None else dt
    _check(network, samples, step)
    code_class = code_object_class(target)
    clock = brian2.Clock(dt=step * brian2.second, name="ep_clock*")
    inner = inner_projections(network)
    names = identifiers([p.name for p in network.dynamic] + [q.name for q in inner])
    named = list(zip(inner, names[len(network.dynamic) :], strict=True))
    groups = {
        p.name: neuron_group(brian2, p, name, part_names(named, p.name), samples, clock, code_class)
        for p, name in zip(network.dynamic, names, strict=False)
    }
    made = {
        q.name: synapses(brian2, q, name, (groups[q.pre], groups[q.post]), samples, code_class)
        for q, name in named
    }
    return Converted(
        network=brian2.Network(*groups.values(), *made.values()),
        populations=groups,
        projections=ProjectionTable(made, network),
        report=_report(network),
        source=network,
        samples=samples,
        dt=step,
        target=target,
    )


def run(network: Network, features: NDArray[np.floating], options: RunOptions) -> Recording:
    """Settle a batch in one replicated Brian2 network, until every sample's residual is in tolerance.

    Args:
        network: The network.
        features: Shape (samples, n_input), as the data set gives them.
        options: `tolerance`, `max_steps`, `trace` and `progress` count here.

    Returns:
        The recording; row k of its curve and trace is the state after k + 1 Euler steps.

    Raises:
        UnsupportedError: The network uses something without a Brian2 equation here.
        StimulusError: The features do not fit the input population.
        BackendMissingError: Brian2 is not installed or cannot be imported.
    """
    began = time.perf_counter()
    model = convert(network, samples=len(features))
    recording: Recording = model.run(
        features,
        options.max_steps * model.dt,
        tolerance=options.tolerance,
        trace=options.trace,
        progress=options.progress,
    )
    return replace(recording, seconds=time.perf_counter() - began)


def _check(network: Network, samples: int, dt: float) -> None:
    refuse_torch_only(network, "brian2")
    if samples < 1:
        raise StimulusError(f"brian2: {samples} samples; give at least 1")
    for population in network.dynamic:
        if not 0.0 < dt <= population.tau_mem:
            raise UnsupportedError(
                f"population '{population.name}': dt {dt:g} s is not in (0, tau_mem = "
                f"{population.tau_mem:g} s], where Euler steps are stable; change equilibrium.dt"
            )


def _report(network: Network) -> ConversionReport:
    """Nothing is approximated: the equations and the solver are the reference's."""
    exact = [f"population '{p.name}': {p.activation} rate units, explicit Euler" for p in network.dynamic]
    inner = inner_projections(network)
    exact += [f"projection '{q.name}': {_feedback(q)}, feedback gain {q.feedback_gain:g}" for q in inner]
    names = [q.name for q in network.projections.values() if q.pre == network.input.name]
    dropped = [
        f"population '{network.input.name}' (clamped; {', '.join(names)}): folded into a constant drive"
    ]
    if not network.output.dynamic:
        dropped.append(
            f"population '{network.output.name}' ({network.output.activation}): computed outside the "
            "dynamics, from the settled rates"
        )
    return ConversionReport("brian2", exact=tuple(exact), dropped=tuple(dropped))


def _feedback(projection: Projection) -> str:
    return (
        "random fixed feedback weights"
        if projection.feedback == "random"
        else f"{projection.feedback} weights"
    )
