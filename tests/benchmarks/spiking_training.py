"""Held-out accuracy of training by spikes alone beside that of rates, on MNIST's subset.

    python tests/benchmarks/spiking_training.py --json --data DIR

The library's `mnist_mlp` (784-256-10, centered phases) with Adam, once as rates and once with `sif`
neurons, 64 slots a phase: free, plus and minus phases of spikes, rates read by the triangular window,
the same local contrast and learner. Accuracy of the last epoch, [mean, deviation] over the seeds; spikes
are evaluated with spikes. The learning rate is the best of 0.002 and 0.005 for the rate network on the
last 1/7 of the training part (0.940, 0.935; SGD: 0.918); nothing was chosen for the spikes.

Controls: `untrained`, and `frozen`, where only the last weights and biases learn (spikes, first seed).
Without --data: the digits of scikit-learn, with `digits_mlp`.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import statistics
import sys
import time
from dataclasses import replace
from typing import Any

import torch

import mep_neuro as mep
from mep_neuro.backends.data.data_set import DataSet
from mep_neuro.topology.reader import read_spec

EPOCHS, SEEDS, SLOTS = 4, (0, 1, 2), 64
RATE = 0.002


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--data", help="IDX folder of MNIST; the digits without")
    parser.add_argument("--quick", action="store_true", help="one epoch and seed, for a smoke test")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = mep.load_data(f"mnist:{options.data}" if options.data else "digits")
    name = "mnist_mlp" if options.data else "digits_mlp"
    epochs, seeds = (1, (0,)) if options.quick else (EPOCHS, SEEDS)
    if options.quick:
        data = replace(data, x_train=data.x_train[:320], y_train=data.y_train[:320])
    result: dict[str, Any] = {}
    scores: dict[str, list[float]] = {"rate": [], "spiking": []}
    seconds = dict.fromkeys(scores, 0.0)
    for seed in seeds:
        for key, neuron in (("rate", None), ("spiking", "sif")):
            began = time.process_time()
            scores[key].append(accuracy(name, data, epochs, seed, neuron))
            seconds[key] += time.process_time() - began
            print(
                key, seed, scores[key][-1], f"{seconds[key]:.0f} s of CPU so far", file=sys.stderr, flush=True
            )
    for key, found in scores.items():
        result[key] = [statistics.mean(found), statistics.stdev(found) if len(found) > 1 else 0.0]
        result[f"{key}_cpu_seconds"] = seconds[key]
    result["untrained"] = accuracy(name, data, 0, seeds[0], "sif")
    result["frozen"] = accuracy(name, data, epochs, seeds[0], "sif", freeze=True)
    result |= {"slots": SLOTS, "epochs": epochs, "samples": [len(data.y_train), len(data.y_test)]}
    print(json.dumps({"spiking_training": result}, indent=None if options.json else 2))


def accuracy(
    name: str, data: DataSet, epochs: int, seed: int, neuron: str | None, *, freeze: bool = False
) -> float:
    """Held-out accuracy after training from a seed, as `mep-neuro train --seed`."""
    spec = read_spec(name).to_mapping()
    spec["seeds"] = {"init": seed, "data": data_seed(spec), "noise": seed + 2}
    spec["equilibrium"]["slots"] = SLOTS
    spec["learning"] |= {"optimizer": "adam", "lr": RATE}
    spec["consolidation"] = {"period": "10 updates", "method": "none", "spectral_bound": 0.7}
    if freeze:
        spec["projections"]["input_hidden"]["plastic"] = False
        spec["populations"]["hidden"]["plastic_bias"] = False
    return mep.train(mep.load(spec, neuron=neuron), data, epochs=epochs).held_out.value


def data_seed(spec: dict[str, Any]) -> int:
    """The file's: the split of the digits stays, and so does the order of the samples."""
    return int(spec["seeds"]["data"])


if __name__ == "__main__":
    main()
