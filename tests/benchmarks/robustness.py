"""Accuracy against fewer bits, dead units, lost messages and noisy weights, with the controls.

    python tests/benchmarks/robustness.py --json [--data DIR]

prints {"robustness": {network: {fault: {level: [mean, spread]}}}, "controls": {network: {...}}}: fractions
of 1, over the random draws of each level. `controls` says, for each random fault, whether none of it left the
accuracy exactly as it was (`unchanged`; that every integer is the same is a unit test) and what accuracy the
extreme left (`extreme`; chance is 0.1). --data is an IDX folder of MNIST; the digits alone without it. --full
draws ten times instead of three.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import sys

import numpy as np

import mep_neuro as mep
from mep_neuro.backends.data.data_set import DataSet
from mep_neuro.backends.registry import find
from mep_neuro.backends.robustness import FAULTS, TOLERANCE, robustness
from mep_neuro.chip.emulate import emulate
from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import quantize
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.readout import classes, with_readout
from mep_neuro.simulation.recording import RunOptions
from mep_neuro.simulation.stimulus import present

EPOCHS = {"digits_mlp": 20, "mnist_mlp": 4}
SAMPLES = 300
IN_FLOAT = ("multiplicative noise", "additive noise", "drift, days")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--data", help="IDX folder of MNIST")
    parser.add_argument("--quick", action="store_true", help="one epoch, 20 samples, for a smoke test")
    options = parser.parse_args()
    sources = {"digits_mlp": "digits"} | ({"mnist_mlp": f"mnist:{options.data}"} if options.data else {})
    result: dict[str, object] = {}
    controls: dict[str, object] = {}
    for name, source in sources.items():
        data = mep.load_data(source)
        net = mep.load(name)
        held_out = mep.train(net, data, epochs=1 if options.quick else EPOCHS[name]).held_out
        print(f"{name}: held-out accuracy {held_out.value:.4f}", file=sys.stderr)
        draws = 1 if options.quick else 10 if options.full else 3
        samples = 20 if options.quick else SAMPLES
        result[name], controls[name] = measured(net.to_network(), data, samples, draws)
    print(json.dumps({"robustness": result, "controls": controls}, indent=None if options.json else 2))


def measured(network: Network, data: DataSet, samples: int, draws: int) -> tuple[object, object]:
    """The curves, and their two ends held against what they must be."""
    x, y = data.x_test[:samples], data.y_test[:samples]
    points = robustness(
        network,
        x,
        y,
        draws=draws,
        watch=lambda done, total: print(f"{done}/{total}", end=" ", flush=True, file=sys.stderr),
    )
    curves: dict[str, dict[str, list[float]]] = {}
    for point in points:
        curves.setdefault(point.fault, {})[str(point.level)] = [point.accuracy, point.spread]
    whole = {True: float_accuracy(network, x, y), False: integer_accuracy(network, x, y)}
    ends: dict[str, dict[str, float]] = {}
    for fault, kind in FAULTS.items():
        if kind.random:
            first, last = (curves[fault][str(kind.levels[place])][0] for place in (0, -1))
            ends[fault] = {"unchanged": first == whole[fault in IN_FLOAT]}
            if fault != "drift, days":  # a year is no extreme
                ends[fault]["extreme"] = last
    return curves, ends


def float_accuracy(network: Network, x: np.ndarray, y: np.ndarray) -> float:
    rates = find("torch")(network, x, RunOptions(tolerance=TOLERANCE)).rates
    return float(np.mean(classes(network, rates) == y))


def integer_accuracy(network: Network, x: np.ndarray, y: np.ndarray) -> float:
    quantized = quantize(network, read_profile("loihi2"), inputs_on_chip=True)
    run = emulate(quantized, quantized.bias(present(network, x)))
    return float(np.mean(classes(network, with_readout(network, quantized.rates(run.s))) == y))


if __name__ == "__main__":
    main()
