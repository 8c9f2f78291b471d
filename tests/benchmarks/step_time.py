"""Time of one training step by Equilibrium Propagation over one of backpropagation.

    python tests/benchmarks/step_time.py --json [--data DIR] [--nets 784-256-10,...]

Backpropagation is an eager nn.Sequential of the same widths with torch's fused SGD; both train with
momentum 0.9 on batches of 64 in float32, one thread. Blocks of steps alternate in one process, and
the ratio is the median over blocks of CPU time over CPU time. Beside it stands the cosine of the
step's contrast with the exact gradient (implicit differentiation at the fixed point, float64) after
some epochs of training: of all parameters together, and of the worst block.

One net is also trained with bfloat16 products, against backpropagation in float32, under torch's autocast
to bfloat16 ("bfloat16"), and in float32 with the products that ours has ("bfloat16 products").
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator

import convolutional
import numpy as np
import torch
from layered import NETS, Layered, one_hot

import mep_neuro as mep
from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.couplings.products import InBfloat16
from mep_neuro.equilibrium.learning.learner import Learner
from mep_neuro.equilibrium.learning.trainer import equilibrium_propagation
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase, nudged_phase
from mep_neuro.simulation.implicit import negative_gradient

BATCH = 64
BFLOAT16 = "784-512-512-10"  # the net with two hidden layers is also trained with bfloat16 products
BLOCKS, STEPS = 21, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--data", help="IDX folder of MNIST; random images without")
    parser.add_argument("--quick", action="store_true", help="few blocks, for a smoke test")
    parser.add_argument("--nets", help="names separated by commas; all without")
    options = parser.parse_args()
    torch.set_num_threads(1)
    blocks, steps, epochs = (1, 1, 1) if options.quick else (BLOCKS, STEPS, 5)
    samples, few = (4 * BATCH, 4) if options.quick else (None, BATCH)  # few: of those with the exact gradient
    result: dict[str, dict[str, object]] = {
        key: {} for key in ("ratio", "spread", "cosine", "worst_block", "free_steps", "nudged_steps")
    }
    for layered in NETS:
        if options.nets and layered.name not in options.nets.split(","):
            continue
        x, y = (part[:samples] for part in images(options.data, layered.sizes[0]))
        net = mep.load(layered.topology())
        for _ in range(epochs):
            train_epoch(net, x, y)
        result["cosine"][layered.name], result["worst_block"][layered.name] = cosine(net, x[:few], y[:few])
        if layered.name == BFLOAT16:
            race_bfloat16(layered, net, (x, y), few, (blocks, steps), result)
        softmax = layered.output == "softmax"
        ours, theirs = ep_step(net, x, y), backprop_step(layered.sequential(), x, y, softmax=softmax)
        ratios = race(ours, theirs, blocks, steps)
        result["ratio"][layered.name] = statistics.median(ratios)
        result["spread"][layered.name] = [min(ratios), max(ratios)]
        result["free_steps"][layered.name] = layered.free_steps
        result["nudged_steps"][layered.name] = layered.nudged_steps
        print(layered.name, {key: value[layered.name] for key, value in result.items()}, file=sys.stderr)
    if not options.nets or convolutional.NAME in options.nets.split(","):
        x, y = (part[:samples] for part in images(options.data, 784))
        race_convolutions(x, y, blocks, max(1, steps // 4), result)
    print(json.dumps({"step_time": result}, indent=None if options.json else 2))


def race_bfloat16(
    layered: Layered,
    net: EquilibriumNetwork,
    data: tuple[torch.Tensor, torch.Tensor],
    few: int,
    length: tuple[int, int],
    result: dict[str, dict[str, object]],
) -> None:
    """The trained net with bfloat16 products, against three kinds of backpropagation."""
    (x, y), name = data, f"{layered.name} bfloat16"
    half = EquilibriumNetwork(net.to_network(), compute=torch.bfloat16)
    result["cosine"][name], result["worst_block"][name] = cosine(half, x[:few], y[:few])
    for other in ("float32", "bfloat16", "bfloat16 products"):
        theirs = backprop_step(layered.sequential(), x, y, softmax=True, numbers=other)
        half = EquilibriumNetwork(net.to_network(), compute=torch.bfloat16)
        ratios = race(ep_step(half, x, y), theirs, *length)
        result["ratio"][f"{name} over {other}"] = statistics.median(ratios)
        result["spread"][f"{name} over {other}"] = [min(ratios), max(ratios)]


def images(folder: str | None, features: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Training images and labels."""
    if folder is None:
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 10, 2000)
        centres = rng.random((10, features)) * (rng.random((10, features)) < 0.2)
        x = np.clip(centres[labels] + 0.2 * rng.standard_normal((2000, features)), 0, 1)
        return torch.tensor(x, dtype=torch.float32), torch.tensor(labels)
    data = mep.load_data(f"mnist:{folder}")
    return torch.tensor(data.x_train, dtype=torch.float32), torch.tensor(data.y_train)


def train_epoch(net: EquilibriumNetwork, x: torch.Tensor, y: torch.Tensor) -> None:
    learner = Learner(net)
    for start in range(0, len(x) - BATCH + 1, BATCH):
        rows = slice(start, start + BATCH)
        learner.update(equilibrium_propagation(net, x[rows], one_hot(y[rows])).contrast)


def cosine(
    net: EquilibriumNetwork, x: torch.Tensor, y: torch.Tensor, exact: dict[str, np.ndarray] | None = None
) -> tuple[float, float]:
    """Cosine of the contrast with the exact gradient: of everything, and of the worst weight."""
    if exact is None:
        exact = negative_gradient(net.to_network(), x.double().numpy(), one_hot(y).double().numpy())
    estimate = equilibrium_propagation(net, x, one_hot(y)).contrast
    pairs = {name: (value.double().numpy().ravel(), exact[name].ravel()) for name, value in estimate.items()}
    together = [np.concatenate(parts) for parts in zip(*pairs.values(), strict=True)]
    return _cosine(*together), min(_cosine(*pair) for name, pair in pairs.items() if name.endswith("weight"))


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def batches(x: torch.Tensor, y: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Features, labels and targets, batch after batch: one batch learned by heart leaves denormal numbers."""
    made = [
        (x[start : start + BATCH], y[start : start + BATCH], one_hot(y[start : start + BATCH]))
        for start in range(0, len(x) - BATCH + 1, BATCH)
    ]
    return itertools.cycle(made)


def race_convolutions(
    x: torch.Tensor, y: torch.Tensor, blocks: int, steps: int, result: dict[str, dict[str, object]]
) -> None:
    """The convolutional net; its exact contrast is the relaxed one in float64, at a small beta."""
    net = mep.load(convolutional.topology())
    train_epoch(net, x, y)
    few, target = x[:8].double(), one_hot(y[:8]).double()
    relaxed = EquilibriumNetwork(net.to_network(), torch.float64)
    free = free_phase(relaxed, few, tolerance=1e-10, max_steps=2000)
    limits = {"tolerance": 1e-8, "max_steps": 2000}
    nudged = nudged_phase(relaxed, free, target, beta=0.01, phases="centered", **limits)
    exact = {name: value.numpy() for name, value in contrast(relaxed, free, nudged).items()}
    name = convolutional.NAME
    result["cosine"][name], result["worst_block"][name] = cosine(net, x[:8], y[:8], exact)
    theirs = backprop_step(convolutional.sequential(), x, y, softmax=True)
    ratios = race(ep_step(net, x, y), theirs, blocks, steps)
    result["ratio"][name] = statistics.median(ratios)
    result["spread"][name] = [min(ratios), max(ratios)]
    print(name, {key: value.get(name) for key, value in result.items()}, file=sys.stderr)


def ep_step(net: EquilibriumNetwork, x: torch.Tensor, y: torch.Tensor) -> Callable[[], None]:
    learner = Learner(net)
    shown = batches(x, y)

    def step() -> None:
        features, _, target = next(shown)
        learner.update(equilibrium_propagation(net, features, target).contrast)

    return step


def backprop_step(
    net: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, *, softmax: bool, numbers: str = "float32"
) -> Callable[[], None]:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, fused=True)
    shown = batches(x, y)

    def step() -> None:
        if numbers == "bfloat16 products":
            with InBfloat16():
                learn()
        else:
            learn()

    def learn() -> None:
        features, labels, target = next(shown)
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=numbers == "bfloat16"):
            output = net(features)
        output = output.float()
        if softmax:
            loss = torch.nn.functional.cross_entropy(output, labels)
        else:
            loss = 0.5 * torch.nn.functional.mse_loss(output, target, reduction="sum") / BATCH
        loss.backward()
        optimizer.step()

    return step


def race(ours: Callable[[], None], theirs: Callable[[], None], blocks: int, steps: int) -> list[float]:
    """CPU time of ours over theirs, block by block, alternating."""
    ratios = []
    for block in range(blocks + 1):
        times = []
        for step in (ours, theirs):
            start = time.process_time()
            for _ in range(steps):
                step()
            times.append(time.process_time() - start)
        if block:  # the first warms up
            ratios.append(times[0] / max(times[1], 1e-9))
    return ratios


if __name__ == "__main__":
    main()
