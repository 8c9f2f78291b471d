"""What each part of `digits_cube` learns, with its random input weights fixed throughout.

Held-out accuracy, mean and standard deviation over seeds of the weights and of the order of the samples:

    untrained   nothing is trained; over 30 seeds, which cost nothing: a random read-out is right in 0.04
                to 0.22 of the images, with a standard deviation of 0.04 between seeds
    lattice     the lattice by EP, its read-out frozen at random
    readout     the read-out alone, the lattice frozen at random
    both        lattice and read-out by EP
    backprop    both, by autograd through the same settle
    linear      logistic regression, converged, on the standardised rates of the frozen lattice's face

Usage: python tests/benchmarks/cube_accuracy.py [--json] [--seeds N] [--validation]
"""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from mep_neuro.backends.data.data_set import DataSet
from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.load import load
from mep_neuro.backends.training import train
from mep_neuro.equilibrium.learning.backprop import backpropagation
from mep_neuro.equilibrium.phases import free_phase
from mep_neuro.topology.reader import read_spec

NETWORK = "digits_cube"
PARTS = ("untrained", "lattice", "readout", "both", "backprop", "linear")
LATTICE, READOUT = ("lattice", "cube"), ("face_output", "output")
UNTRAINED_SEEDS = 30
VALIDATION = 300  # images that --validation takes from the training part, where settings are chosen


def settings(seed: int, frozen: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    """The network with some (projection, population with biases) frozen."""
    mapping: dict[str, Any] = read_spec(NETWORK).to_mapping()
    mapping["seeds"] = {"init": seed, "data": seed, "noise": seed}
    for projection, population in frozen:
        mapping["projections"][projection]["plastic"] = False
        mapping["populations"][population]["plastic_bias"] = False
    return mapping


def accuracy(part: str, seed: int, data: DataSet, change: Mapping[str, Any] | None = None) -> float:
    """Held-out accuracy of one part's training.

    Args:
        part: One of PARTS.
        seed: Of weights and order.
        data: What to learn.
        change: Keys under `learning` to replace.
    """
    if part == "linear":
        return linear(seed, data)
    frozen = {"lattice": (READOUT,), "readout": (LATTICE,)}.get(part, ())
    mapping = settings(seed, frozen)
    mapping["learning"] |= change or {}
    gradient = backpropagation if part == "backprop" else None
    return train(
        load(mapping), data, epochs=0 if part == "untrained" else None, gradient=gradient
    ).held_out.value


def linear(seed: int, data: DataSet) -> float:
    """Logistic regression on the face that the read-out sees, of the untrained network."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = load(settings(seed))
    train(model, data, epochs=0)  # measures the mean of the features
    face = model.network.projections["face_output"].pre_units
    rates = [
        free_phase(model, torch.as_tensor(x)).point.states["cube"].numpy()[:, face]
        for x in (data.x_train, data.x_test)
    ]
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=100.0, max_iter=10_000))
    return float(classifier.fit(rates[0], data.y_train).score(rates[1], data.y_test))


def validation(data: DataSet) -> DataSet:
    """The last images of the training part held out in place of the held-out ones."""
    return replace(
        data,
        x_train=data.x_train[:-VALIDATION],
        y_train=data.y_train[:-VALIDATION],
        x_test=data.x_train[-VALIDATION:],
        y_test=data.y_train[-VALIDATION:],
    )


def main() -> None:
    """Print the table, or one JSON object of [mean, standard deviation]."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="seeds 0 to N - 1 (default 3)")
    parser.add_argument("--validation", action="store_true", help="hold out a part of the training part")
    parser.add_argument("--parts", default=",".join(PARTS), help="which, separated by commas")
    parser.add_argument("--quick", action="store_true", help="one seed of each part, for a smoke test")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = load_data("digits")
    if options.validation:
        data = validation(data)
    found: dict[str, list[float]] = {}
    for part in options.parts.split(","):
        seeds = max(options.seeds, UNTRAINED_SEEDS) if part == "untrained" else options.seeds
        seeds = 1 if options.quick else seeds
        values = [accuracy(part, seed, data) for seed in range(seeds)]
        found[part] = [float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0]
        if not options.json:
            each = " ".join(f"{value:.4f}" for value in values)
            print(f"{part:10} {found[part][0]:.4f} +- {found[part][1]:.4f}   ({each})", flush=True)
        else:
            print(f"{part} done", file=sys.stderr)
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
