"""The networks and the torch reference that the Brian2 benchmarks share."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.solvers.modes import Single
from mep_neuro.equilibrium.solvers.synchronous import Synchronous
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.topology.reader import read_spec
from mep_neuro.topology.spec import NetworkSpec

Array = NDArray[np.float64]


def layered(sizes: tuple[int, ...] = (784, 256, 10), model: str = "rate", **neuron: Any) -> Network:
    """Dense layers that all settle."""
    names = ["input", *(f"hidden{k}" for k in range(1, len(sizes) - 1)), "output"]
    dense = {"type": "dense"}
    mapping: dict[str, Any] = {
        "name": "layered",
        "neurons": {"unit": {"model": model, **neuron}},
        "populations": {
            name: {"shape": [size], "neuron": "unit", "bias": 0.1}
            for name, size in zip(names, sizes, strict=True)
        },
        "projections": {
            f"{pre}_{post}": {
                "pre": pre,
                "post": post,
                "connector": dense,
                "feedback_gain": 1.0 if pre == "input" else 0.5,
                "weight": {"gain": 1.0 if pre == "input" else 0.4},
            }
            for pre, post in pairwise(names)
        },
    }
    mapping["populations"]["input"] = {"shape": [sizes[0]], "role": "input"}
    mapping["populations"]["output"]["role"] = "output"
    return with_random_biases(build(NetworkSpec.model_validate(mapping)))


def library(name: str, projection: str, gain: float) -> Network:
    """A network of the library, with a feedback that is felt, and random biases."""
    mapping = read_spec(name).to_mapping()
    mapping["projections"][projection]["feedback_gain"] = gain
    return with_random_biases(build(NetworkSpec.model_validate(mapping)))


def with_random_biases(network: Network, seed: int = 5) -> Network:
    """The network with biases that differ from unit to unit."""
    rng = np.random.default_rng(seed)
    return network.with_arrays(
        {
            name: rng.normal(0.1, 0.2, array.shape) if name.endswith(".bias") else array
            for name, array in network.arrays().items()
        }
    )


def rate_networks() -> Mapping[str, Network]:
    """The three networks of the agreement, by the names it is asked for."""
    return {
        "mlp": layered(),
        "conv": library("mnist_conv", "conv_2", 0.3),
        "cube": library("digits_cube", "lattice", 0.3),
    }


def torch_membranes(network: Network, features: Array, steps: int) -> dict[str, Array]:
    """Membranes before each Euler step by the torch engine in float64, from 0: (steps, samples, n)."""
    model = EquilibriumNetwork(network, torch.float64)
    mode = Single(model.activations)
    _, drives = model.drive(torch.from_numpy(features))
    drive = [drives[name] for name in model.settling]
    zeros = [torch.zeros_like(d) for d in drive]
    solver = Synchronous(model.system, mode, drive, zeros)
    solver.membranes, trace = [torch.zeros_like(d) for d in drive], []
    for _ in range(steps):
        trace.append([v.clone().numpy() for v in solver.membranes])
        solver.step()
    return {name: np.stack([row[k] for row in trace]) for k, name in enumerate(model.settling)}
