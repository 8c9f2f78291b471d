"""Convert a network to Brian2, and settle a batch of presentations there."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.choice import choose
from mep_neuro.converters.to_brian2.converted import Converted
from mep_neuro.converters.to_brian2.objects import Maker, code_object_class, import_brian2, require_runtime
from mep_neuro.converters.to_brian2.order import Order
from mep_neuro.converters.to_brian2.rates import rate_model
from mep_neuro.converters.to_brian2.spiking.convert import spiking_model
from mep_neuro.converters.to_brian2.standalone.program import Program
from mep_neuro.errors import StimulusError, UnsupportedError
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.recording import Recording, RunOptions
from mep_neuro.simulation.spiking import is_spiking
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
    slots: int | None = None,
    phases: Sequence[float] = (0.0,),
) -> Converted:
    """Make Brian2 objects of a network of rate or spiking units.

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
        slots: Spiking units: steps of a phase; equilibrium.slots unless given.
        phases: Spiking units: sign of the nudge in each phase of a run, such as (0, 1, -1).

    Raises:
        UnsupportedError: A neuron model, an activation, the time step, the target or the device has
            no place here; the message names it.
        StimulusError: `samples` is below 1.
        BackendMissingError: Brian2 is not installed or cannot be imported, or a compiler is missing.
    """
    brian2, step = import_brian2(), network.spec.equilibrium.dt if dt is None else dt
    _check(network, samples, step, connectivity)
    if is_spiking(network):
        network = _at(network, step)
    length = network.spec.equilibrium.slots if slots is None else slots
    expected = length * len(phases) if is_spiking(network) else steps
    chosen, notes = choose(brian2, network, samples, target, expected)
    program = Program(brian2, directory) if chosen == "cpp_standalone" else None
    with _place(brian2, program):
        clock = brian2.Clock(dt=step * brian2.second, name="ep_clock" if program else "ep_clock*")
        maker = Maker(brian2, samples, clock, code_object_class(chosen), watched=program is not None)
        order = Order(step, chosen, notes, program, trace, _dropped(network))
        if is_spiking(network):
            return spiking_model(maker, network, length, phases, order)
        return rate_model(maker, network, connectivity, order)


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
        None if is_spiking(network) else options.max_steps * model.dt,
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


def _at(network: Network, dt: float) -> Network:
    """The network with another time step: that of spiking units is a part of the unit."""
    equilibrium = network.spec.equilibrium.model_copy(update={"dt": dt})
    return replace(network, spec=network.spec.model_copy(update={"equilibrium": equilibrium}))


def _check(network: Network, samples: int, dt: float, connectivity: str) -> None:
    refuse_torch_only(network, "brian2")
    if samples < 1:
        raise StimulusError(f"brian2: {samples} samples; give at least 1")
    if connectivity not in CONNECTIVITY:
        raise UnsupportedError(
            f"brian2: unknown connectivity '{connectivity}'; use {' or '.join(CONNECTIVITY)}"
        )
    if connectivity == "dense" and is_spiking(network):
        raise UnsupportedError("brian2: spikes travel through Synapses; write connectivity='synapses'")
    for population in network.dynamic:
        if population.model in ("sif", "lif") and dt > 0.0:
            continue  # their decays are exp(-dt / tau): stable at any dt
        if not 0.0 < dt <= population.tau_mem:
            raise UnsupportedError(
                f"population '{population.name}': dt {dt:g} s is not in (0, tau_mem = "
                f"{population.tau_mem:g} s], where Euler steps are stable; change equilibrium.dt"
            )


def _dropped(network: Network) -> tuple[str, ...]:
    names = [q.name for q in network.projections.values() if q.pre == network.input.name]
    dropped = [
        f"population '{network.input.name}' (clamped; {', '.join(names)}): folded into a constant drive"
    ]
    if not network.output.dynamic:
        dropped.append(
            f"population '{network.output.name}' ({network.output.activation}): computed outside the "
            "dynamics, from the settled rates"
        )
    return tuple(dropped)
