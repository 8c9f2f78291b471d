"""Convert a network to Brian2, and settle a batch of presentations there."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2 import dense
from mep_neuro.converters.to_brian2.choice import choose
from mep_neuro.converters.to_brian2.converted import Converted, ProjectionTable
from mep_neuro.converters.to_brian2.equations import identifiers, inner_projections
from mep_neuro.converters.to_brian2.objects import (
    Maker,
    code_object_class,
    import_brian2,
    part_names,
    projection_values,
    require_runtime,
)
from mep_neuro.converters.to_brian2.standalone.program import Program
from mep_neuro.converters.to_brian2.standalone.settle import TRACE
from mep_neuro.errors import StimulusError, UnsupportedError
from mep_neuro.simulation.conversion import ConversionReport
from mep_neuro.simulation.network import Network, Projection
from mep_neuro.simulation.recording import Recording, RunOptions
from mep_neuro.simulation.torch_only import refuse_torch_only

CONNECTIVITY = ("synapses", "dense")
EXPECTED_STEPS = 300  # of a settle, where nothing else is known: what 'auto' weighs


def convert(
    network: Network,
    *,
    samples: int = 1,
    dt: float | None = None,
    target: str = "numpy",
    connectivity: str = "synapses",
    directory: str | os.PathLike[str] | None = None,
    trace: bool = False,
    steps: int = EXPECTED_STEPS,
) -> Converted:
    """Make Brian2 objects of a rate network.

    Args:
        network: The network; its weights are copied.
        samples: Presentations to settle at once.
        dt: Time step, seconds; the file's equilibrium.dt unless given.
        target: Code generation target: 'numpy'; 'cython', which first compiles for half a minute;
            'cpp_standalone', a program compiled once in about ten seconds; or 'auto', which chooses
            by the size of the work and says so in the recording's notes.
        connectivity: 'synapses': one Synapses object a projection. 'dense': a projection that joins two
            whole populations is a matrix product instead, with one copy of the weights.
        directory: Where a standalone program lies; a folder of the user's cache unless given.
        trace: Whether a standalone program records the rates of every step.
        steps: Steps of the runs to come, which 'auto' weighs.

    Raises:
        UnsupportedError: A neuron model, an activation, the time step, the target or the device has
            no place here; the message names it.
        StimulusError: `samples` is below 1.
        BackendMissingError: Brian2 is not installed or cannot be imported, or a compiler is missing.
    """
    brian2, step = import_brian2(), network.spec.equilibrium.dt if dt is None else dt
    _check(network, samples, step, connectivity)
    chosen, notes = choose(brian2, network, samples, target, steps)
    program = Program(brian2, directory) if chosen == "cpp_standalone" else None
    with _place(brian2, program):
        clock = brian2.Clock(dt=step * brian2.second, name="ep_clock" if program else "ep_clock*")
        maker = Maker(brian2, samples, clock, code_object_class(chosen), watched=program is not None)
        return _model(
            maker, network, connectivity, trace=trace, dt=step, target=chosen, notes=notes, program=program
        )


def run(network: Network, features: NDArray[np.floating], options: RunOptions) -> Recording:
    """Settle a batch in one replicated Brian2 network, until every sample's residual is in tolerance.

    Args:
        network: The network.
        features: Shape (samples, n_input), as the data set gives them.
        options: `tolerance`, `max_steps`, `trace`, `progress` and `target` count here.

    Returns:
        The recording; row k of its curve and trace is the state after k + 1 Euler steps.

    Raises:
        UnsupportedError: The network uses something without a Brian2 equation here.
        StimulusError: The features do not fit the input population.
        BackendMissingError: Brian2 is not installed or cannot be imported, or a compiler is missing.
        BackendFailedError: The compiler or the standalone program failed.
    """
    began = time.perf_counter()
    model = convert(
        network,
        samples=len(features),
        target=options.target,
        trace=options.trace,
        steps=min(options.max_steps, EXPECTED_STEPS),
    )
    recording: Recording = model.run(
        features,
        options.max_steps * model.dt,
        tolerance=options.tolerance,
        trace=options.trace,
        progress=options.progress,
    )
    return replace(recording, seconds=time.perf_counter() - began)


@contextmanager
def _place(brian2: Any, program: Program | None) -> Iterator[None]:
    """Where the objects are made: on the runtime device, or on the program's own."""
    if program is None:
        require_runtime(brian2)
        yield
    else:
        with program.making():
            yield


def _model(
    maker: Maker,
    network: Network,
    connectivity: str,
    *,
    trace: bool,
    dt: float,
    target: str,
    notes: tuple[str, ...],
    program: Program | None,
) -> Converted:
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
        report=_report(network, products, target),
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


def _check(network: Network, samples: int, dt: float, connectivity: str) -> None:
    refuse_torch_only(network, "brian2")
    if samples < 1:
        raise StimulusError(f"brian2: {samples} samples; give at least 1")
    if connectivity not in CONNECTIVITY:
        raise UnsupportedError(
            f"brian2: unknown connectivity '{connectivity}'; use {' or '.join(CONNECTIVITY)}"
        )
    for population in network.dynamic:
        if not 0.0 < dt <= population.tau_mem:
            raise UnsupportedError(
                f"population '{population.name}': dt {dt:g} s is not in (0, tau_mem = "
                f"{population.tau_mem:g} s], where Euler steps are stable; change equilibrium.dt"
            )


def _report(network: Network, products: set[str], target: str) -> ConversionReport:
    """Nothing is approximated: the equations and the solver are the reference's."""
    exact = [f"population '{p.name}': {p.activation} rate units, explicit Euler" for p in network.dynamic]
    inner = inner_projections(network)
    exact += [
        f"projection '{q.name}': {_feedback(q)}, feedback gain {q.feedback_gain:g}"
        + (f", as a dense product in {_language(target)}" if q.name in products else "")
        for q in inner
    ]
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


def _language(target: str) -> str:
    return "C++" if target == "cpp_standalone" else "numpy"


def _feedback(projection: Projection) -> str:
    return (
        "random fixed feedback weights"
        if projection.feedback == "random"
        else f"{projection.feedback} weights"
    )
