"""Every optimizer beside backpropagation with the same update, and beside a frozen hidden layer.

    python tests/benchmarks/optimizers.py --json --data DIR

784-256-10 on 3,000 training images of the IDX folder DIR (3,000 of the digits' without), 10 epochs of
batches of 64, learning rate falling linearly to 0, the accuracy of the final epoch on the test part,
mean and deviation of 3 seeds (start and order of the samples).

sgd, adam, muon, dion: the classic net of EP, relu units, the output inside the dynamics, squared error,
coupled map bounded at 0.9. Backpropagation is that of the same network without feedback, through the
same learner. smep, sdmep: a plain torch.nn.Sequential by `mep.smep` and `mep.sdmep`, softmax
cross-entropy; backpropagation by the same optimizer in mode 'backprop' and `loss.backward()`.
Learning rates are the best of RATES on 500 of the 3,000 images, with seed 0 (--choose finds them again).

step_time is one update over one of backpropagation with torch's SGD, interleaved, median of ratios.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import mep_neuro as mep
from mep_neuro.equilibrium.fixed_point import FixedPoint
from mep_neuro.equilibrium.learning.trainer import Gradient, Step, Trainer, equilibrium_propagation, predict
from mep_neuro.equilibrium.model import EquilibriumNetwork

BATCH, EPOCHS, SEEDS, HIDDEN, IMAGES, HELD_OUT = 64, 10, (0, 1, 2), 256, 3000, 500
NETWORKS = ("sgd", "adam", "muon", "dion")
METHODS = (*NETWORKS, "smep", "sdmep")
CHOSEN = {"sgd": 0.2, "adam": 0.003, "muon": 0.01, "dion": 0.01, "smep": 0.04, "sdmep": 0.04}
RATES = {
    "sgd": (0.05, 0.1, 0.2),
    "adam": (0.0005, 0.001, 0.003),
    "muon": (0.005, 0.01, 0.02),
    "dion": (0.01, 0.02, 0.04),
    **dict.fromkeys(("smep", "sdmep"), (0.02, 0.04, 0.08)),
}
RANK = 32
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--data", help="IDX folder of MNIST; the digits without")
    parser.add_argument("--methods", default=",".join(METHODS), help="some of the methods")
    parser.add_argument("--choose", action="store_true", help="choose the learning rates and print them")
    parser.add_argument("--quick", action="store_true", help="one epoch, one seed, for a smoke test")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = mep.load_data(f"mnist:{options.data}" if options.data else "digits")
    images = 4 * BATCH if options.quick else IMAGES
    x, y = data.x_train[:images].astype(np.float32), data.y_train[:images]
    if options.choose:
        parts = (x[:-HELD_OUT], y[:-HELD_OUT], x[-HELD_OUT:], y[-HELD_OUT:])
        print(json.dumps({name: choose(name, parts) for name in options.methods.split(",")}))
        return
    whole = (x, y, data.x_test.astype(np.float32), data.y_test)
    epochs, seeds = (1, SEEDS[:1]) if options.quick else (EPOCHS, SEEDS)
    times = step_times(whole, repeats=2 if options.quick else 40)
    result = {}
    for name in options.methods.split(","):
        rows = {}
        for column, settings in (("accuracy", {}), ("frozen", {"freeze": True}), ("backprop", {"ep": False})):
            scores = [train(name, whole, CHOSEN[name], s, epochs, **settings) for s in seeds]
            rows[column] = [statistics.mean(scores), statistics.stdev(scores) if len(seeds) > 1 else 0.0]
            print(name, column, rows[column], file=sys.stderr, flush=True)
        result[name] = {**rows, "step_time": times[name]}
    print(json.dumps({"optimizers": result}, indent=None if options.json else 2))


def choose(name: str, parts: Arrays) -> dict[str, float]:
    found = {str(rate): train(name, parts, rate, 0, EPOCHS) for rate in RATES[name]}
    print(name, found, file=sys.stderr, flush=True)
    return found


def train(
    name: str, arrays: Arrays, rate: float, seed: int, epochs: int, *, freeze: bool = False, ep: bool = True
) -> float:
    """Accuracy on the second part of the arrays after training on the first."""
    way = by_network if name in NETWORKS else by_preset
    return way(name, arrays, rate, seed, epochs, freeze=freeze, ep=ep)


def topology(name: str, inputs: int, rate: float, *, freeze: bool = False, **changes: Any) -> dict[str, Any]:
    """The classic net; `changes` may hold dropout, cost, feedback_gain and keys of the consolidation."""
    orthogonal = name in ("muon", "dion")
    learning = {"optimizer": "adam" if name == "adam" else "sgd", "lr": 0.02 if orthogonal else rate}
    method: dict[str, Any] = {"method": name, "lr": rate} if orthogonal else {}
    if name == "dion":
        method["rank"] = RANK
    dropout, cost = changes.pop("dropout", 0.0), changes.pop("cost", "squared_error")
    gain = changes.pop("feedback_gain", 1.0)
    return {
        "name": "classic",
        "neurons": {"unit": {"activation": "relu"}},
        "populations": {
            "input": {"shape": [inputs], "role": "input"},
            "hidden": {"shape": [HIDDEN], "neuron": "unit", "plastic_bias": not freeze, "dropout": dropout},
            "output": {"shape": [10], "role": "output", "activation": "linear"},
        },
        "projections": {
            "in": {"pre": "input", "post": "hidden", "connector": {"type": "dense"}, "plastic": not freeze},
            "out": {
                "pre": "hidden",
                "post": "output",
                "connector": {"type": "dense"},
                "feedback_gain": gain,
                "weight": {"init": "normal", "gain": 0.1},
            },
        },
        "equilibrium": {
            "free_steps": 3,
            "nudged_steps": 3,
            "nudge": {"beta": 0.3, "phases": "frozen", "cost": cost},
        },
        "learning": {"batch_size": BATCH, "schedule": "linear", **learning},
        "consolidation": {"spectral_bound": 0.9, **method, **changes},
    }


def by_network(
    name: str,
    arrays: Arrays,
    rate: float,
    seed: int,
    epochs: int,
    *,
    freeze: bool = False,
    ep: bool = True,
    **changes: Any,
) -> float:
    """A topology file's network, by local contrasts or by autograd without feedback."""
    x, y, x_test, y_test = arrays
    model = mep.load(topology(name, x.shape[1], rate, freeze=freeze, **changes), seed=seed)
    gradient: Gradient = equilibrium_propagation if ep else backpropagation
    trainer = Trainer(model, x, y, epochs=epochs, seed=seed, gradient=gradient)
    trainer.prepare()
    while not trainer.finished:
        trainer.advance()
    if ep:
        return float((predict(model, x_test)[0] == y_test).mean())
    with torch.no_grad():
        return float((forward(tensors(model), torch.from_numpy(x_test)).argmax(1).numpy() == y_test).mean())


def backpropagation(model: EquilibriumNetwork, features: Tensor, target: Tensor) -> Step:
    """Minus the gradient of the same cost of the same network without feedback."""
    leaves = {key: value.detach().clone().requires_grad_() for key, value in tensors(model).items()}
    with torch.enable_grad():
        output = forward(leaves, features)
        if model.cost == "squared_error":
            loss = 0.5 * (output - target).square().sum(1).mean()
        else:
            loss = nn.functional.cross_entropy(output, target)
        gradients = torch.autograd.grad(loss, list(leaves.values()))
    contrast = {key: -gradient for key, gradient in zip(leaves, gradients, strict=True)}
    steps = torch.zeros(len(features), dtype=torch.int64)
    forward_pass = FixedPoint({}, torch.zeros(len(features)), steps, 1.0, None)
    return Step(contrast, output.detach(), (forward_pass,))


def tensors(model: EquilibriumNetwork) -> dict[str, Tensor]:
    """Weights and biases by the names of `Network.arrays()`."""
    weights = {f"projections.{name}.weight": weight for name, weight in model.weights.items()}
    return weights | {f"populations.{name}.bias": bias for name, bias in model.biases.items()}


def forward(numbers: dict[str, Tensor], features: Tensor) -> Tensor:
    """Output without feedback."""
    hidden = nn.functional.linear(
        features, numbers["projections.in.weight"], numbers["populations.hidden.bias"]
    ).relu()
    return nn.functional.linear(hidden, numbers["projections.out.weight"], numbers["populations.output.bias"])


def by_preset(
    name: str,
    arrays: Arrays,
    rate: float,
    seed: int,
    epochs: int,
    *,
    freeze: bool = False,
    ep: bool = True,
    **settings: Any,
) -> float:
    """A plain Sequential; accuracy of `model(x)`."""
    x, y, x_test, y_test = (torch.from_numpy(a) for a in arrays)
    model, optimizer = sequential(name, x.shape[1], rate, seed, freeze=freeze, ep=ep, **settings)
    updates = epochs * -(-len(x) // BATCH)
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda update: 1 - update / updates)
    for epoch in range(epochs):
        order = torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(len(x)))
        for rows in order.split(BATCH):
            update(model, optimizer, x[rows], y[rows], ep=ep)
            decay.step()
    model.eval()
    with torch.no_grad():
        return float((model(x_test).argmax(1) == y_test).float().mean())


def sequential(
    name: str, inputs: int, rate: float, seed: int, *, freeze: bool, ep: bool, **settings: Any
) -> tuple[nn.Sequential, Any]:
    torch.manual_seed(seed)
    dropout = [nn.Dropout(settings.pop("dropout"))] if "dropout" in settings else []
    model = nn.Sequential(nn.Linear(inputs, HIDDEN), nn.ReLU(), *dropout, nn.Linear(HIDDEN, 10))
    model[0].requires_grad_(not freeze)
    preset = {"smep": mep.smep, "sdmep": mep.sdmep}[name]
    settings = {"rank_frac": RANK / HIDDEN, **settings} if name == "sdmep" else settings
    mode = {} if ep else {"mode": "backprop", "gamma": None}
    return model, preset(model.parameters(), model, lr=rate, **{**settings, **mode})


def update(model: nn.Module, optimizer: Any, x: Tensor, y: Tensor, *, ep: bool) -> None:
    if ep:
        optimizer.step(x=x, target=y)
        return
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()


def step_times(arrays: Arrays, repeats: int) -> dict[str, float]:
    """Median time of one update over that of backpropagation with torch's SGD, side by side."""
    x, y = torch.from_numpy(arrays[0][:BATCH]), torch.from_numpy(arrays[1][:BATCH])
    steps: dict[str, Callable[[], object]] = {}
    for name in METHODS:
        if name in NETWORKS:
            model = mep.load(topology(name, x.shape[1], CHOSEN[name]), seed=0)
            steps[name] = Trainer(model, arrays[0], arrays[1], epochs=1000).advance
        else:
            made = sequential(name, x.shape[1], CHOSEN[name], 0, freeze=False, ep=True)
            steps[name] = lambda made=made: update(*made, x, y, ep=True)
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(x.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10))
    sgd = torch.optim.SGD(plain.parameters(), lr=1e-3, momentum=0.9)
    return ratios(lambda: update(plain, sgd, x, y, ep=False), steps, repeats)


def ratios(
    unit: Callable[[], object], steps: dict[str, Callable[[], object]], repeats: int
) -> dict[str, float]:
    """Median CPU time of each step over the unit's, interleaved."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(repeats + 2):
        for name, step in steps.items():
            base, time_of_step = spent(unit), spent(step)
            if repeat >= 2:  # the first are warm-up
                found[name].append(time_of_step / max(base, 1e-9))
    return {name: statistics.median(values) for name, values in found.items()}


def spent(step: Callable[[], object]) -> float:
    start = time.thread_time()
    step()
    return time.thread_time() - start


if __name__ == "__main__":
    main()
