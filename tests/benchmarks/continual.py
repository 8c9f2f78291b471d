"""Permuted images, one task after another: how much of the earlier ones is left.

    python tests/benchmarks/continual.py --json --data DIR

Three tasks: the images of the data, their pixels shuffled in one way for each task (seeded; all ten classes
and one output for all tasks, which are not told apart). A net with 256 hidden units learns them one after
the other, EPOCHS passes each, SGD with momentum 0.9 on batches of 64. `average` is the accuracy on the
held-out parts of all tasks at the end, `forgetting` what the first two lost since they were learned; means
over SEEDS, with standard deviations beside them (`average_sd`, `forgetting_sd`).

    naive           Equilibrium Propagation, nothing kept
    local           consolidation.importance: squared local contrasts, proximal pull
    strength_zero   its control: importance measured, strength 0; equals naive exactly
    shuffled        its control: the same importances, each array shuffled, at local's strength
    dion_fresh      Dion of rank 16 with error feedback, its residual begun anew in each task, nothing kept
    dion_carried    the same, the residual carried from task to task (carry_error 1)
    backprop        autograd through nn.Sequential, nothing kept
    backprop_ewc    the same with the Fisher information of autograd's gradients and the same pull

The strengths (`strength`, one for EP and one for backpropagation) are the best of STRENGTHS by the average
on the last 1/7 of the training part, seed 0, which is not trained on then. Without --data: the digits.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from layered import NETS, one_hot
from numpy.typing import NDArray
from torch import nn

import mep_neuro as mep
from mep_neuro.equilibrium.learning.trainer import Trainer, predict

TASKS, EPOCHS, SEEDS = 3, 5, (0, 1, 2)
BATCH, MOMENTUM, RATE, SAMPLES = 64, 0.9, 0.1, 1000
STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
Numbers = NDArray[np.floating]


@dataclass(frozen=True)
class Task:
    """Training and test part."""

    x: Numbers
    y: NDArray[np.integer]
    x_test: Numbers
    y_test: NDArray[np.integer]


Kept = tuple[list[torch.Tensor], list[torch.Tensor]]
Method = Callable[[list[Task], float | None, int, int], list[list[float]]]
DION = {"method": "dion", "rank": 16, "lr": 0.02, "period": "1 update"}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object on one line")
    parser.add_argument("--data", help="IDX folder of MNIST; the embedded digits without")
    parser.add_argument("--quick", action="store_true", help="one epoch and seed, for a smoke test")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = mep.load_data(f"mnist:{options.data}" if options.data else "digits")
    whole = Task(data.x_train, data.y_train, data.x_test, data.y_test)
    cut = len(whole.x) * 6 // 7
    part = Task(whole.x[:cut], whole.y[:cut], whole.x[cut:], whole.y[cut:])
    epochs, seeds, strengths = (1, (0,), STRENGTHS[2:4]) if options.quick else (EPOCHS, SEEDS, STRENGTHS)
    found: dict[str, Any] = {}
    chosen = {}
    for name, method in (("ep", by_ep), ("backprop", by_backprop)):
        scores = {s: figures([method(tasks(part, 0), s, 0, epochs)])["average"] for s in strengths}
        chosen[name] = max(scores, key=scores.__getitem__)
        tell(name, "validation", scores)
    plans: dict[str, tuple[Method, float | None]] = {
        "naive": (by_ep, None),
        "local": (by_ep, chosen["ep"]),
        "strength_zero": (by_ep, 0.0),
        "shuffled": (shuffled, chosen["ep"]),
        "dion_fresh": (partial(by_ep, consolidation=DION), None),
        "dion_carried": (partial(by_ep, consolidation=DION | {"carry_error": 1.0}), None),
        "backprop": (by_backprop, None),
        "backprop_ewc": (by_backprop, chosen["backprop"]),
    }
    for name, (method, strength) in plans.items():
        found[name] = figures([method(tasks(whole, seed), strength, seed, epochs) for seed in seeds])
        tell(name, found[name])
    found["strength"] = chosen
    print(json.dumps({"continual": found}, indent=None if options.json else 2))


def tasks(data: Task, seed: int) -> list[Task]:
    """The same images with their pixels in TASKS orders."""
    orders = [np.random.default_rng([seed, task]).permutation(data.x.shape[1]) for task in range(TASKS)]
    return [Task(data.x[:, order], data.y, data.x_test[:, order], data.y_test) for order in orders]


def figures(runs: list[list[list[float]]]) -> dict[str, float]:
    """Of runs, each the accuracies on every task after every task: `runs[r][after][task]`."""
    averages = [statistics.mean(run[-1]) for run in runs]
    lost = [statistics.mean(run[t][t] - run[-1][t] for t in range(TASKS - 1)) for run in runs]
    deviation = (lambda values: statistics.stdev(values)) if len(runs) > 1 else (lambda values: 0.0)
    return {
        "average": statistics.mean(averages),
        "average_sd": deviation(averages),
        "forgetting": statistics.mean(lost),
        "forgetting_sd": deviation(lost),
    }


def by_ep(
    sequence: list[Task],
    strength: float | None,
    seed: int,
    epochs: int,
    *,
    shuffle: bool = False,
    consolidation: dict[str, Any] | None = None,
) -> list[list[float]]:
    """Equilibrium Propagation: accuracies on every task after every task."""
    topology = NETS[0].topology(lr=RATE)
    topology["populations"]["input"]["shape"] = [sequence[0].x.shape[1]]
    topology["consolidation"] |= consolidation or {}
    if strength is not None:
        topology["consolidation"]["importance"] = {"strength": strength, "samples": SAMPLES}
    model, kept, accuracies = mep.load(topology, seed=seed), None, []
    for task in sequence:
        trainer = Trainer(model, task.x, task.y, epochs=epochs, seed=seed)
        if kept is None:
            trainer.prepare()
        else:
            trainer.go_on_after(kept)
        while not trainer.finished:
            trainer.advance()
        trainer.close_task()
        kept = trainer.state()
        for name in kept if shuffle else ():
            if ".importance." in name:
                order = np.random.default_rng(seed).permutation(kept[name].size)
                kept[name] = kept[name].reshape(-1)[order].reshape(kept[name].shape)
        accuracies.append([float((predict(model, t.x_test)[0] == t.y_test).mean()) for t in sequence])
    return accuracies


def shuffled(sequence: list[Task], strength: float | None, seed: int, epochs: int) -> list[list[float]]:
    """The control: every weight is pulled, but not those that matter."""
    return by_ep(sequence, strength, seed, epochs, shuffle=True)


def by_backprop(sequence: list[Task], strength: float | None, seed: int, epochs: int) -> list[list[float]]:
    """Autograd on the feed-forward net of the same widths and cost, with elastic weight consolidation."""
    torch.manual_seed(seed)
    net = NETS[0].sequential()
    if sequence[0].x.shape[1] != NETS[0].sizes[0]:
        net[0] = nn.Linear(sequence[0].x.shape[1], NETS[0].sizes[1])
    fisher: list[torch.Tensor] = [torch.zeros_like(p) for p in net.parameters()]
    anchor: list[torch.Tensor] = [p.detach().clone() for p in net.parameters()]
    accuracies = []
    for task in sequence:
        fit(net, task, (fisher, anchor), strength or 0.0, seed, epochs)
        if strength is not None:
            for total, own in zip(fisher, fisher_of(net, torch.as_tensor(task.x[:SAMPLES])), strict=True):
                total += own
        anchor = [p.detach().clone() for p in net.parameters()]
        with torch.no_grad():
            answers = [net(torch.as_tensor(t.x_test).float()).argmax(1).numpy() for t in sequence]
        accuracies.append([float((a == t.y_test).mean()) for a, t in zip(answers, sequence, strict=True)])
    return accuracies


def fit(net: nn.Sequential, task: Task, kept: Kept, strength: float, seed: int, epochs: int) -> None:
    """One task; after every step the proximal pull of strength / 2 sum F (w - w*)^2."""
    x, y = torch.as_tensor(task.x).float(), torch.as_tensor(task.y)
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM)
    updates, update = epochs * -(-len(x) // BATCH), 0
    for epoch in range(epochs):
        order = torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(len(x)))
        for rows in order.split(BATCH):
            rate = RATE * (1 - update / updates)
            optimizer.param_groups[0]["lr"] = rate
            optimizer.zero_grad()
            (0.5 * (net(x[rows]) - one_hot(y[rows])).square().sum(1).mean()).backward()
            optimizer.step()
            with torch.no_grad():
                for p, f, w in zip(net.parameters(), *kept, strict=True):
                    c = f * (strength * rate / (1 - MOMENTUM))
                    p.lerp_(w, c / (1 + c))
            update += 1


def fisher_of(net: nn.Sequential, x: torch.Tensor) -> list[torch.Tensor]:
    """Mean squared gradient of single samples, targets drawn about the answers with deviation 1.

    Autograd gives the gradient of every layer's current; a weight's is that times the layer's input.
    """
    inputs, currents, state = [], [], x.float()
    for layer in net:
        if isinstance(layer, nn.Linear):
            inputs.append(state.detach())
            currents.append(layer(state))
        state = layer(state) if not isinstance(layer, nn.Linear) else currents[-1]
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(state.shape, generator=generator)
    loss = 0.5 * (state - (state.detach() + noise)).square().sum()
    found = []
    for before, slope in zip(inputs, torch.autograd.grad(loss, currents), strict=True):
        found += [slope.square().T @ before.square() / len(x), slope.square().mean(0)]
    return found


def tell(*words: object) -> None:
    """To stderr, with the CPU time so far."""
    print(f"{time.process_time():6.1f} s ", *words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
