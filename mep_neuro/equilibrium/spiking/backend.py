"""Back end `torch` of a network of spiking neurons: its free phase, in float64."""

import time

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase
from mep_neuro.equilibrium.spiking.neurons import Registers
from mep_neuro.equilibrium.spiking.phases import on_grid, resolution, run_phase
from mep_neuro.equilibrium.spiking.synapses import UNIT
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.override import network_with_neuron
from mep_neuro.simulation.readout import with_readout
from mep_neuro.simulation.recording import Recording, RunOptions
from mep_neuro.simulation.stimulus import present


def run_spiking(network: Network, features: NDArray[np.floating], options: RunOptions) -> Recording:
    """Run the free phase of every sample, from rest: equilibrium.slots slots.

    Args:
        network: The network.
        features: Shape (samples, n_input).
        options: `trace` keeps spikes and membranes; a phase ends with its slots, whatever the tolerance.

    Returns:
        Rates as the read-out window tells them. A sample has settled where its residual is below what
        the window resolves.

    Raises:
        StimulusError: The features do not fit, or are too large.
        UnsupportedError: The weights are too large.
    """
    begin = time.perf_counter()
    model, stimulus = EquilibriumNetwork(network, torch.float64), present(network, features)
    assert model.spiking is not None
    slots, rows = network.spec.equilibrium.slots, model.spiking.rows
    sent: dict[str, list[NDArray[np.float64]]] = {name: [] for name in rows}
    membranes: dict[str, list[NDArray[np.float64]]] = {name: [] for name in rows}
    done = 0

    def watch(now: Registers) -> None:
        nonlocal done
        done += 1
        if options.trace:
            for name, own in rows.items():
                sent[name].append(now.m[own].T.numpy().copy())
                membranes[name].append(now.v[own].T.numpy() / UNIT)
        if options.progress is not None:
            options.progress(done, slots)

    drive = {name: torch.from_numpy(current) for name, current in stimulus.drive.items()}
    rest = run_phase(model, on_grid(model, drive, stimulus.samples), watch=watch)
    rates = {name: rest.rates[own].T.numpy().copy() for name, own in rows.items()}
    away = _from_the_rate_network(network, features, rates)
    fine = resolution(model)
    return Recording(
        backend="torch",
        rates=with_readout(network, rates),
        steps=np.full(stimulus.samples, slots, dtype=np.int64),
        settled=(rest.residual <= fine).numpy(),
        seconds=time.perf_counter() - begin,
        spikes=_stacked(sent),
        membranes=_stacked(membranes),
        counts=_counts(model, rest.messages),
        notes=(
            f"{network.dynamic[0].model} neurons, {slots} slots: the rates are read-outs; "
            f"|s - rho(current)| is at most {float(rest.residual.max()):.2g}, what they resolve {fine:.2g}",
            f"from the fixed point of the rate network: at most {away.max():.2g}, mean {away.mean():.2g}",
        ),
    )


def _from_the_rate_network(
    network: Network, features: NDArray[np.floating], rates: dict[str, NDArray[np.float64]]
) -> NDArray[np.float64]:
    """|difference| of every settling unit, shape (samples, units)."""
    model = EquilibriumNetwork(network_with_neuron(network, "rate"), torch.float64)
    point = free_phase(
        model, torch.as_tensor(features, dtype=torch.float64), tolerance=1e-9, max_steps=2000
    ).point
    apart = [np.abs(rates[name] - state.numpy()) for name, state in point.states.items()]
    joined: NDArray[np.float64] = np.concatenate(apart, axis=1)
    return joined


def _stacked(frames: dict[str, list[NDArray[np.float64]]]) -> dict[str, NDArray[np.float64]]:
    return {name: np.stack(each) for name, each in frames.items() if each}


def _counts(model: EquilibriumNetwork, messages: Tensor) -> dict[str, float]:
    events = messages.T @ torch.cat(model.system.fan_out)
    return {
        "messages per unit": float(messages.mean()),
        "synaptic events per sample": float(events.mean()),
    }
