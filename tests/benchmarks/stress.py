"""A learning rate at which plain backpropagation fails: what the full optimizer makes of it.

    python tests/benchmarks/stress.py --json --data DIR

784-256-256-10 (relu, softmax cross-entropy) on 3,000 training images of the IDX folder DIR, three epochs
of batches of 64 at a constant rate, accuracy on the test part, mean of 3 seeds.

backprop_sgd: loss.backward() and torch.optim.SGD with momentum 0.9, at RATE.
sdmep: `mep.sdmep` at the same rate, Dion for both large matrices, the coupled map bounded at 0.1 and
the input and read-out matrices not; 0.1 was the best of 0.1, 0.2, 0.3 and 0.7 on other training images
and seeds.
max_lambda_over_bound: over all steps of all seeds, the largest |eigenvalue| of the coupled map, by full
SVD after the step, over its bound.
per_matrix: the same with each matrix bounded at 0.95 instead; unbounded: with none;
their `lambda`, the largest of the coupled map over all steps.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import statistics
import sys
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import mep_neuro as mep
from mep_neuro.errors import SettleError

BATCH, EPOCHS, SEEDS, IMAGES, HIDDEN = 64, 3, (0, 1, 2), 3000, 256
RATE, GAMMA, FEEDBACK, RANK = 0.6, 0.1, 0.1, 32
PER_MATRIX = 0.95
Arrays = tuple[Tensor, Tensor, Tensor, Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--data", help="IDX folder of MNIST; the digits without")
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--quick", action="store_true", help="one seed and few batches, for a smoke test")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message=".*did not settle")  # without the bound they do not
    data = mep.load_data(f"mnist:{options.data}" if options.data else "digits")
    images = 4 * BATCH if options.quick else IMAGES
    arrays = (
        torch.from_numpy(data.x_train[:images].astype(np.float32)),
        torch.from_numpy(data.y_train[:images]),
        torch.from_numpy(data.x_test.astype(np.float32)),
        torch.from_numpy(data.y_test),
    )
    seeds = SEEDS[:1] if options.quick else SEEDS
    bounds: dict[str, dict[str, Any]] = {
        "sdmep": {"gamma": GAMMA},
        "per_matrix": {"gamma": PER_MATRIX, "bound": "matrix"},
        "unbounded": {"gamma": None},
    }
    found: dict[str, Any] = {"rate": options.rate}
    found["backprop_sgd"] = spread([backprop(arrays, options.rate, seed) for seed in seeds])
    print(found, file=sys.stderr, flush=True)
    for name, bound in bounds.items():
        runs = [sdmep(arrays, options.rate, seed, bound) for seed in seeds]
        accuracy, largest = spread([run[0] for run in runs]), max(run[1] for run in runs)
        if name == "sdmep":
            found[name], found["max_lambda_over_bound"] = accuracy, largest / GAMMA
        else:
            found[name] = {"accuracy": accuracy, "lambda": largest}
        print(name, found[name], largest, file=sys.stderr, flush=True)
    print(json.dumps({"stress": found}, indent=None if options.json else 2))


def spread(scores: list[float]) -> list[float]:
    return [statistics.mean(scores), statistics.stdev(scores) if len(scores) > 1 else 0.0]


def network(inputs: int, seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10)
    )


def backprop(arrays: Arrays, rate: float, seed: int) -> float:
    x, y, x_test, y_test = arrays
    model = network(x.shape[1], seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    for rows in batches(len(x), seed):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()
    return accuracy_of(model(x_test), y_test)


def sdmep(arrays: Arrays, rate: float, seed: int, bound: dict[str, Any]) -> tuple[float, float]:
    """Accuracy at the free fixed point, and the largest |eigenvalue| of the coupled map after any step."""
    x, y, x_test, y_test = arrays
    model = network(x.shape[1], seed)
    optimizer = mep.sdmep(
        model.parameters(),
        model,
        lr=rate,
        dion_thresh=HIDDEN * HIDDEN,
        rank_frac=RANK / HIDDEN,
        feedback_gain=FEEDBACK,
        **bound,
    )
    largest = 0.0
    try:
        for rows in batches(len(x), seed):
            optimizer.step(x=x[rows], target=y[rows])
            # Of two layers coupled by W and g W^T the largest |eigenvalue| is sqrt(g) |W|.
            norm = torch.linalg.matrix_norm(model[2].weight.detach(), 2)
            largest = max(largest, FEEDBACK**0.5 * float(norm))
        return accuracy_of(optimizer.settled(x_test), y_test), largest
    except SettleError:  # the weights are as they were; the run ends here
        return accuracy_of(model(x_test), y_test), largest


def batches(samples: int, seed: int) -> list[Tensor]:
    orders = [np.random.default_rng([seed, epoch]).permutation(samples) for epoch in range(EPOCHS)]
    return [rows for order in orders for rows in torch.from_numpy(order).split(BATCH)]


def accuracy_of(output: Tensor, labels: Tensor) -> float:
    return float((output.detach().argmax(1) == labels).float().mean())


if __name__ == "__main__":
    main()
