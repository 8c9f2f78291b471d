"""The numpy reference run: the membrane dynamics, step by step, in float64.

    tau_mem dv/dt = -v + drive + W s_pre + g W^T s_post + nudge        s = rho(v)

Explicit Euler; every unit takes its step from the rates before it.
"""

from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from mep_neuro.neurons.rate import Rate
from mep_neuro.simulation.currents import Currents, currents
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.stimulus import Stimulus

Array = NDArray[np.float64]


def euler(
    network: Network,
    stimulus: Stimulus,
    steps: int,
    dt: float,
    *,
    nudge: Mapping[str, Array] | None = None,
    start: Mapping[str, Array] | None = None,
) -> dict[str, Array]:
    """Run a number of steps and keep every membrane.

    Args:
        network: The network; a softmax read-out is outside the dynamics (see `with_readout`).
        stimulus: What it is shown.
        steps: Number of steps.
        dt: Time step, seconds.
        nudge: Constant current per population, shape (samples, n) each, dimensionless; none by default.
        start: Membranes before the first step, shape (samples, n) each; 0 by default.

    Returns:
        Membranes of the settling populations, shape (steps + 1, samples, n) each; [0] is the start.
    """
    states = euler_steps(network, stimulus, dt, nudge=nudge, start=start)
    trace = list(islice(states, steps + 1))
    return {name: np.stack([state[name] for state in trace]) for name in trace[0]}


def euler_steps(
    network: Network,
    stimulus: Stimulus,
    dt: float,
    *,
    nudge: Mapping[str, Array] | None = None,
    start: Mapping[str, Array] | None = None,
) -> Iterator[dict[str, Array]]:
    """The membranes before the first step, after it, after the second, without end; see `euler`."""
    operator = currents(network)
    drive = operator.join(stimulus.drive)
    if nudge is not None:
        drive = drive + operator.join({**_zeros(operator, stimulus.samples), **nudge})
    neurons = {p.name: Rate(p.activation, p.tau_mem) for p in operator.populations}
    membranes = {**_zeros(operator, stimulus.samples), **(start or {})}
    while True:
        yield membranes
        rates = {name: neuron.rate(membranes[name]) for name, neuron in neurons.items()}
        current = operator.split(operator.into(drive, operator.join(rates)))
        membranes = {
            name: neuron.step(membranes[name], current[name], dt) for name, neuron in neurons.items()
        }


def _zeros(operator: Currents, samples: int) -> dict[str, Array]:
    return {p.name: np.zeros((samples, p.size)) for p in operator.populations}
