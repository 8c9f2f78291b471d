"""Random networks for the benchmarks of the chip: layers, cubes and convolutions."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse.linalg import eigsh

from mep_neuro.simulation.build import build
from mep_neuro.simulation.currents import currents
from mep_neuro.simulation.network import Network
from mep_neuro.topology.spec import NetworkSpec

DENSE = {"type": "dense"}


def _network(populations: dict[str, Any], projections: dict[str, Any], seed: int) -> Network:
    for population in populations.values():
        if population.get("role") != "input":
            population["neuron"] = "u"
    mapping = {
        "name": "random",
        "neurons": {"u": {"activation": "hard_sigmoid"}},
        "populations": populations,
        "projections": projections,
    }
    source = build(NetworkSpec.model_validate(mapping), seed=seed)
    rng = np.random.default_rng(seed)
    arrays = source.arrays()
    for name in arrays:
        if name.endswith(".bias"):
            arrays[name] = rng.normal(0.3, 0.3, arrays[name].shape)
    return source.with_arrays(arrays)


def layered(seed: int, sizes: tuple[int, ...] | None = None, gain: float = 0.6) -> Network:
    """Input and two to four layers of 4 to 20 units, or of the sizes given, input first."""
    rng = np.random.default_rng(seed)
    sizes = sizes or (5, *rng.integers(4, 21, int(rng.integers(2, 5))).tolist())
    names = ["input", *(f"layer{i}" for i in range(1, len(sizes)))]
    populations: dict[str, Any] = {name: {"shape": [size]} for name, size in zip(names, sizes, strict=True)}
    populations[names[0]]["role"], populations[names[-1]]["role"] = "input", "output"
    projections = {
        f"{pre}_{post}": {"pre": pre, "post": post, "connector": DENSE, "weight": {"gain": gain}}
        for pre, post in pairwise(names)
    }
    return _network(populations, projections, seed)


def cube(seed: int, size: int) -> Network:
    """A cube whose units see 26 neighbours, fed on one face and read on the other."""
    return _network(
        {
            "input": {"shape": [5], "role": "input"},
            "cube": {"shape": [size] * 3},
            "out": {"shape": [3], "role": "output"},
        },
        {
            "in": {"pre": "input", "post": "cube[:, :, 0]", "connector": DENSE},
            "lattice": {
                "pre": "cube",
                "post": "cube",
                "connector": {"type": "lattice", "neighbours": 26},
                "feedback_gain": 0.3,
                "weight": {"init": "normal", "spectral_radius": 0.8},
            },
            "up": {"pre": "cube[:, :, -1]", "post": "out", "connector": DENSE},
        },
        seed,
    )


def convolutional(seed: int) -> Network:
    """Two maps coupled by a 3x3 kernel, unrolled on the chip."""
    return _network(
        {
            "input": {"shape": [5], "role": "input"},
            "a": {"shape": [2, 5, 5]},
            "b": {"shape": [4, 5, 5]},
            "out": {"shape": [3], "role": "output"},
        },
        {
            "in": {"pre": "input", "post": "a", "connector": DENSE},
            "conv": {
                "pre": "a",
                "post": "b",
                "connector": {"type": "conv2d", "kernel": 3, "padding": 1},
                "weight": {"gain": 0.5},
            },
            "up": {"pre": "b", "post": "out", "connector": DENSE, "weight": {"gain": 0.4}},
        },
        seed,
    )


FAMILIES: dict[str, Callable[[int], Network]] = {
    "layers": layered,
    "cube 4x4x4": lambda seed: cube(seed, 4),
    "cube 6x6x6": lambda seed: cube(seed, 6),
    "convolution": convolutional,
}


def scaled(network: Network, largest: float) -> Network:
    """The same network with the largest eigenvalue of its coupled map at `largest`."""
    recurrent = currents(network).recurrent
    own = float(eigsh(recurrent, k=1, which="LA", return_eigenvectors=False)[0])
    inner = {p.name for p in network.dynamic}
    arrays = network.arrays()
    for name, projection in network.projections.items():
        if projection.pre in inner and projection.post in inner:
            arrays[f"projections.{name}.weight"] = projection.weight * (largest / own)
    return network.with_arrays(arrays)
