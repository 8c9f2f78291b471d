"""Accuracy of trained networks in the integers of Loihi 2, against float, on the whole held-out part.

    python tests/benchmarks/loihi_accuracy.py --json --data DIR

prints {"loihi_accuracy": {network: {bits: {"drop", "agreement"}}}}: drop is the float accuracy minus that
in integers, agreement the share of samples with the same class, both fractions of 1 and means over the
seeds. Targets: drop at most 0.005 at 8-bit weights and 0.015 at 6, agreement at least 0.99 and 0.97.

`digits_mlp` and `mnist_mlp` are as mep-neuro runs them: the host computes the input currents in float. In
'... input on the chip' every weight is rounded and the input settles on the chip as well. `controls` holds
the same at 2 bits, where both figures must miss their targets. --data is an IDX folder of MNIST, which may
be a subset; the digits alone without it. --full takes three seeds of each, and 5 and 4 bits as well.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

import mep_neuro as mep
from mep_neuro.backends.data.data_set import DataSet
from mep_neuro.backends.registry import find
from mep_neuro.chip.emulate import emulate
from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import quantize
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.readout import classes, with_readout
from mep_neuro.simulation.recording import RunOptions
from mep_neuro.simulation.stimulus import present

EPOCHS = {"digits_mlp": 20, "mnist_mlp": 4}
CONTROL_BITS = 2
Figures = dict[str, dict[str, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--data", help="IDX folder of MNIST")
    parser.add_argument("--quick", action="store_true", help="one epoch of the digits, for a smoke test")
    options = parser.parse_args()
    bits = (8, 6, 5, 4) if options.full else (8, 6)
    seeds = range(3) if options.full else range(1)
    sources = {"digits_mlp": "digits"} | ({"mnist_mlp": f"mnist:{options.data}"} if options.data else {})
    result: dict[str, Figures] = {}
    controls: dict[str, Figures] = {}
    for name, source in sources.items():
        data = mep.load_data(source)
        if options.quick:
            data = replace(data, x_test=data.x_test[:40], y_test=data.y_test[:40])
        trained = [train(name, data, seed, 1 if options.quick else EPOCHS[name]) for seed in seeds]
        floats = [float_classes(network, data) for network in trained]
        for on_chip in (False, True):
            key = f"{name}, input on the chip" if on_chip else name
            result[key] = figures(trained, floats, data, bits, on_chip)
            controls[key] = figures(trained, floats, data, (CONTROL_BITS,), on_chip)
    print(json.dumps({"loihi_accuracy": result, "controls": controls}, indent=None if options.json else 2))


def train(name: str, data: DataSet, seed: int, epochs: int) -> Network:
    """A network trained by EP in torch."""
    net = mep.load(name, seed=seed)
    held_out = mep.train(net, data, epochs=epochs).held_out
    print(f"{name}, seed {seed}: held-out accuracy {held_out.value:.4f}", file=sys.stderr)
    return net.to_network()


def float_classes(network: Network, data: DataSet) -> np.ndarray:
    """Classes of the float network, settled in torch."""
    return classes(network, find("torch")(network, data.x_test, RunOptions(tolerance=1e-8)).rates)


def figures(
    networks: Sequence[Network],
    floats: Sequence[np.ndarray],
    data: DataSet,
    bits: Sequence[int],
    on_chip: bool,
) -> Figures:
    """Means over networks at each number of bits."""
    found: Figures = {}
    for each in bits:
        drops, agreements = [], []
        for network, reference in zip(networks, floats, strict=True):
            integers = integer_classes(network, data, each, on_chip)
            drops.append(np.mean(reference == data.y_test) - np.mean(integers == data.y_test))
            agreements.append(np.mean(integers == reference))
        found[str(each)] = {"drop": float(np.mean(drops)), "agreement": float(np.mean(agreements))}
        print(
            networks[0].spec.name,
            "input on the chip" if on_chip else "",
            each,
            found[str(each)],
            file=sys.stderr,
        )
    return found


def integer_classes(network: Network, data: DataSet, bits: int, on_chip: bool) -> np.ndarray:
    """Classes of the exact integer emulation."""
    quantized = quantize(network, read_profile("loihi2"), weight_bits=bits, inputs_on_chip=on_chip)
    run = emulate(quantized, quantized.bias(present(network, data.x_test)))
    return classes(network, with_readout(network, quantized.rates(run.s)))


if __name__ == "__main__":
    main()
