"""Steps and time of every solver to the same residual, by the radius of the coupled map.

The free phase of 64 samples from zero to a residual of 1e-6, float64; the file's spectral bound is the
radius. For each solver: median and largest steps of a sample, and median CPU time of the batch, in
milliseconds, interleaved with its quartiles. A step of `sweeps` and `event_driven` is a
half-sweep (one product per matrix); of `momentum`, `anderson` and `lean` a sweep (two); of
`synchronous` an Euler step of dt / tau_mem = 0.2 (two).

Usage: python tests/benchmarks/solvers.py [--json] [--quick]
"""

import argparse
import json
import os
import statistics
import time
from itertools import pairwise
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase
from mep_neuro.equilibrium.settle import SOLVERS
from mep_neuro.simulation.build import build
from mep_neuro.simulation.coupling import coupled_map, spectral_radius
from mep_neuro.topology.reader import read_spec

SAMPLES, INPUTS, TOLERANCE, REPEATS = 64, 32, 1e-6, 7


def layers(activation: str) -> dict[str, Any]:
    """Four hidden layers of 64 and an output of 10, all settling."""
    names = ["input", "h1", "h2", "h3", "h4", "output"]
    populations: dict[str, Any] = {name: {"shape": [64], "neuron": "unit"} for name in names[1:]}
    if activation == "hard_sigmoid":
        populations = {name: {**section, "bias": 0.3} for name, section in populations.items()}
    populations["output"] |= {"shape": [10], "role": "output"}
    return {
        "neurons": {"unit": {"activation": activation}},
        "populations": {"input": {"shape": [INPUTS], "role": "input"}, **populations},
        "projections": {
            f"{pre}_{post}": {"pre": pre, "post": post, "connector": {"type": "dense"}}
            for pre, post in pairwise(names)
        },
    }


def cube() -> dict[str, Any]:
    """6 x 6 x 6 units and their 26 neighbours."""
    dense = {"connector": {"type": "dense"}}
    return {
        "neurons": {"unit": {"activation": "tanh"}},
        "populations": {
            "input": {"shape": [INPUTS], "role": "input"},
            "cube": {"shape": [6, 6, 6], "neuron": "unit"},
            "output": {"shape": [10], "role": "output", "activation": "softmax"},
        },
        "projections": {
            "face": {"pre": "input", "post": "cube[:, :, 0]", **dense},
            "lattice": {"pre": "cube", "post": "cube", "connector": {"type": "lattice"}},
            "read": {"pre": "cube[:, :, -1]", "post": "output", **dense},
        },
        "equilibrium": {"nudge": {"cost": "cross_entropy"}},
    }


NETWORKS = {"mlp tanh": layers("tanh"), "mlp hard_sigmoid": layers("hard_sigmoid"), "cube tanh": cube()}


def model_of(content: dict[str, Any], radius: float) -> EquilibriumNetwork:
    """The network with its coupled map scaled to a radius."""
    bound = {"consolidation": {"spectral_bound": radius}}
    network = build(read_spec({"schema": "mep-neuro/1", "name": "solvers", **content, **bound}))
    arrays, factor = network.arrays(), radius / spectral_radius(coupled_map(network))
    for projection in network.projections.values():
        if projection.pre != "input" and network.populations[projection.post].dynamic:
            arrays[f"projections.{projection.name}.weight"] *= factor
    return EquilibriumNetwork(network.with_arrays(arrays), torch.float64)


def measure(model: EquilibriumNetwork, repeats: int) -> dict[str, Any]:
    """Steps and times of every solver, interleaved."""
    x = torch.randn(SAMPLES, INPUTS, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    times: dict[str, list[float]] = {solver: [] for solver in SOLVERS}
    found: dict[str, Any] = {}
    for _ in range(repeats):
        for solver in SOLVERS:
            start = time.process_time()
            point = free_phase(model, x, solver=solver, tolerance=TOLERANCE, max_steps=20_000).point
            times[solver].append(1e3 * (time.process_time() - start))
            if not bool(point.settled.all()):
                raise SystemExit(f"{solver}: {point.status}")
            found[solver] = {"steps": int(point.steps.median()), "most_steps": int(point.steps.max())}
    for solver, taken in times.items():
        low, middle, high = statistics.quantiles(taken, n=4)
        found[solver] |= {"ms": round(middle, 2), "ms_low": round(low, 2), "ms_high": round(high, 2)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object on one line")
    parser.add_argument("--quick", action="store_true", help="one radius, two repeats, for a smoke test")
    options = parser.parse_args()
    torch.set_num_threads(1)
    radii, repeats = ((0.5,), 2) if options.quick else ((0.5, 0.9, 0.95), REPEATS)
    found = {
        name: {str(radius): measure(model_of(content, radius), repeats) for radius in radii}
        for name, content in NETWORKS.items()
    }
    print(json.dumps({"solvers": found}, indent=None if options.json else 2))


if __name__ == "__main__":
    main()
