"""Back end `torch`: the rate reference, settled by sweeps in float64; or spiking neurons, slot by slot."""

import time

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase
from mep_neuro.equilibrium.spiking.backend import run_spiking
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.readout import with_readout
from mep_neuro.simulation.recording import Recording, RunOptions
from mep_neuro.simulation.spiking import is_spiking


def run(network: Network, features: NDArray[np.floating], options: RunOptions) -> Recording:
    """Settle every sample to the free fixed point; a network of spiking neurons runs its free phase.

    Args:
        network: The network.
        features: Shape (samples, n_input).
        options: Tolerance and step limit; `trace` is for spiking neurons here.

    Raises:
        StimulusError: The features do not fit.
        SettleError: The state diverged.
    """
    if is_spiking(network):
        return run_spiking(network, features, options)
    start = time.perf_counter()
    model = EquilibriumNetwork(network, torch.float64)
    curve: list[NDArray[np.float64]] = []

    def watch(rows: Tensor, residual: Tensor) -> None:
        line = curve[-1].copy() if curve else np.full(len(features), np.inf)
        line[rows.numpy()] = residual.numpy()
        curve.append(line)
        if options.progress is not None:
            options.progress(int((line <= options.tolerance).sum()), len(features))

    point = free_phase(
        model,
        torch.as_tensor(np.asarray(features), dtype=torch.float64),
        tolerance=options.tolerance,
        max_steps=options.max_steps,
        solver="sweeps",
        watch=watch,
    ).point
    states = {name: state.numpy() for name, state in point.states.items()}
    return Recording(
        backend="torch",
        rates=with_readout(network, states),
        steps=point.steps.numpy().astype(np.int64),
        settled=point.settled.numpy(),
        seconds=time.perf_counter() - start,
        residual_curve=np.stack(curve),
        notes=(point.status,),
    )
