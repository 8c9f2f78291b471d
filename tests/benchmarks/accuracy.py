"""Held-out accuracy of Equilibrium Propagation, of backpropagation, and with the hidden layers frozen.

    python tests/benchmarks/accuracy.py --json --data DIR [--nets 784-256-10,...]

The nets and settings of step_time.py, SGD with momentum 0.9 on batches of 64, learning rate falling
linearly to 0, the accuracy of the final epoch. Backpropagation trains an eager nn.Sequential of the
same widths and cost from torch's own starting weights. Each method's learning rate is the best of
RATES on the last 1/7 of the training part, mean of all seeds; then it trains on the whole part with each.
Without --data: the digits of scikit-learn, with 64 inputs.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from layered import NETS, Layered, one_hot

import mep_neuro as mep
from mep_neuro.backends.data.data_set import DataSet
from mep_neuro.equilibrium.learning.trainer import Trainer, predict

BATCH, MOMENTUM = 64, 0.9
RATES = (0.05, 0.1, 0.2)
EPOCHS, SEEDS = 12, (0, 1, 2)
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
Method = Callable[[Layered, Arrays, float, int, int], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--data", help="IDX folder of MNIST; the digits without")
    parser.add_argument("--quick", action="store_true", help="one net, one epoch, for a smoke test")
    parser.add_argument("--nets", help="names of step_time.py separated by commas; all without")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = mep.load_data(f"mnist:{options.data}" if options.data else "digits")
    whole = (data.x_train, data.y_train, data.x_test, data.y_test)
    epochs, seeds, rates = (1, (0,), RATES[:1]) if options.quick else (EPOCHS, SEEDS, RATES)
    methods: dict[str, Method] = {"ep": by_ep, "backprop": by_backprop, "frozen": frozen}
    result: dict[str, dict[str, object]] = {}
    for layered in NETS[: 1 if options.quick else None]:
        if options.nets and layered.name not in options.nets.split(","):
            continue
        net = replace(layered, sizes=(data.features, *layered.sizes[1:]))
        line: dict[str, object] = {}
        for name, method in methods.items():
            rate = best_rate(method, net, data, epochs, rates, seeds)
            scores = [method(net, whole, rate, seed, epochs) for seed in seeds]
            line[name] = [statistics.mean(scores), statistics.stdev(scores) if len(scores) > 1 else 0.0]
            line[f"{name}_rate"] = rate
            print(net.name, name, line[name], rate, file=sys.stderr)
        result[net.name] = line
    print(json.dumps({"accuracy": result}, indent=None if options.json else 2))


def best_rate(
    method: Method,
    net: Layered,
    data: DataSet,
    epochs: int,
    rates: tuple[float, ...],
    seeds: tuple[int, ...],
) -> float:
    """The learning rate that is best on a part of the training data that it is not trained on."""
    cut = len(data.x_train) * 6 // 7
    parts = (data.x_train[:cut], data.y_train[:cut], data.x_train[cut:], data.y_train[cut:])
    return max(rates, key=lambda rate: statistics.mean(method(net, parts, rate, s, epochs) for s in seeds))


def by_ep(
    net: Layered, arrays: Arrays, rate: float, seed: int, epochs: int, *, freeze: bool = False
) -> float:
    """Equilibrium Propagation, nothing but local contrasts."""
    x, y, x_test, y_test = arrays
    model = mep.load(net.topology(lr=rate, frozen=freeze), seed=seed)
    trainer = Trainer(model, x, y, epochs=epochs, seed=seed)
    trainer.prepare()
    while not trainer.finished:
        trainer.advance()
    return float((predict(model, x_test)[0] == y_test).mean())


def frozen(net: Layered, arrays: Arrays, rate: float, seed: int, epochs: int) -> float:
    """The control: only the last weights learn."""
    return by_ep(net, arrays, rate, seed, epochs, freeze=True)


def by_backprop(net: Layered, arrays: Arrays, rate: float, seed: int, epochs: int) -> float:
    """Autograd, the same cost, optimizer and schedule."""
    x, y, x_test, y_test = (torch.as_tensor(a) for a in arrays)
    x, x_test = x.float(), x_test.float()
    torch.manual_seed(seed)
    sequential = net.sequential()
    optimizer = torch.optim.SGD(sequential.parameters(), lr=rate, momentum=MOMENTUM)
    updates = epochs * -(-len(x) // BATCH)
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda update: 1 - update / updates)
    for epoch in range(epochs):
        order = torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(len(x)))
        for rows in order.split(BATCH):
            optimizer.zero_grad()
            output = sequential(x[rows])
            if net.output == "softmax":
                loss = torch.nn.functional.cross_entropy(output, y[rows])
            else:
                loss = 0.5 * (output - one_hot(y[rows])).square().sum(1).mean()
            loss.backward()
            optimizer.step()
            decay.step()
    with torch.no_grad():
        return float((sequential(x_test).argmax(1) == y_test).float().mean())


if __name__ == "__main__":
    main()
