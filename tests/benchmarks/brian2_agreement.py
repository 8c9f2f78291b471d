"""Brian2 rate networks against the torch engine in float64: every membrane at every step.

    python tests/benchmarks/brian2_agreement.py --json

A dense net (784-256-10), the convolutional one of the library and its cube run from rest on Brian2's
three targets, with a StateMonitor of v on every population; torch takes the same Euler steps with its
own operators (solver `synchronous`). `control` is the same with one weight changed by 1e-6.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import sys
from collections.abc import Mapping

import brian2 as b2
import numpy as np
from brian2_nets import Array, rate_networks, torch_membranes

from mep_neuro.converters.to_brian2.backend import convert
from mep_neuro.simulation.network import Network

SAMPLES = 2
TARGETS = ("numpy", "cython", "cpp_standalone")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="the cube on numpy alone, for a smoke test")
    options = parser.parse_args()
    networks = {name: n for name, n in rate_networks().items() if not options.quick or name == "cube"}
    steps = 20 if options.quick else 120
    result: dict[str, dict[str, float]] = {}
    references = {}
    for name, network in networks.items():
        features = np.random.default_rng(7).random((SAMPLES, network.input.size))
        references[name] = features, torch_membranes(network, features, steps)
    for target in TARGETS[:1] if options.quick else TARGETS:
        result[target] = {}
        for name, network in networks.items():
            features, reference = references[name]
            ours = membranes(network, features, steps, target)
            result[target][name] = deviation(ours, reference)
            print(target, name, result[target][name], file=sys.stderr)
    features, reference = references["cube"]
    wrong = membranes(slightly_wrong(networks["cube"]), features, steps, "numpy")
    result["control"] = {"cube": deviation(wrong, reference)}
    print(json.dumps({"brian2_agreement": result}, indent=None if options.json else 2))


def membranes(network: Network, features: Array, steps: int, target: str) -> dict[str, Array]:
    """Membranes before each step, by monitors that a user would add: (steps, samples, n)."""
    model = convert(network, samples=SAMPLES, target=target)
    with model.making():
        monitors = {n: b2.StateMonitor(g, "v", record=True) for n, g in model.populations.items()}
        model.network.add(monitors.values())
    model.run(features, steps * model.dt)
    return {name: model.steps(monitor.v) for name, monitor in monitors.items()}


def deviation(ours: Mapping[str, Array], reference: Mapping[str, Array]) -> float:
    """Largest difference over units, samples and steps."""
    assert ours.keys() == reference.keys()
    assert all(np.abs(v[-1]).max() > 0.1 for v in reference.values())  # something happens everywhere
    return max(float(np.abs(ours[name] - reference[name]).max()) for name in reference)


def slightly_wrong(network: Network) -> Network:
    arrays = network.arrays()
    weight = arrays["projections.lattice.weight"].copy()
    weight[7] += 1e-6
    return network.with_arrays({**arrays, "projections.lattice.weight": weight})


if __name__ == "__main__":
    main()
