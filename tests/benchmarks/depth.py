"""Accuracy of Equilibrium Propagation through 100 and 500 layers.

    python tests/benchmarks/depth.py --json [--data DIR]
    python tests/benchmarks/depth.py --choose 100,500 [--data DIR]

A chain of residual blocks (`residual.py`) with a softmax read-out, Adam, three epochs in batches of 64,
test accuracy after the last. Of each depth:

    ep          feedback_gain g = 2 / layers, at most 0.02; the mean of `ep_seeds`
    ep_gain0    g = 1e-6, one half-sweep each way: the limit in which EP is backpropagation; g = 0 is no
                topology, as it has no energy
    backprop    autograd through the same chain without feedback, in eager torch, same optimizer and batches
    control     ep without the skips, dense weights started at the library's default gain of 1
    control_same_start    ep without the skips, all else the same
    signal      of every tenth of the layers, before training: root mean square of the free state
                (`activity`), of the response k ds/dbeta (`response`: without the factor k it falls by g
                with every layer), and log10 of k
    settled     cosine of the contrast of a training step with that of settled phases (tolerance 1e-5), after
                training, of everything and of the first layer's weight; and the half-sweeps of both
    seconds     CPU time of an update: ep, ep_gain0, backprop

--choose tells, of each learning rate in RATES and starting gain in GAINS (residual.py), the accuracy on the
last 1/7 of the training images after training on the rest, of a seed that serves for nothing else: of EP, and
of backpropagation. The test part is not read. Residual's defaults are EP's best in the mean of both depths.

Without --data the embedded digits serve; accuracies of the issue are those of MNIST.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from residual import Residual

import mep_neuro as mep
from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.learning.trainer import Trainer, one_hot, predict
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase, nudged_phase

BETAS, EPSILON = (0.9, 0.99), 1e-12  # as the library's Adam
NEAR_ZERO = 1e-6
RATES, GAINS, CHOICE_SEED = (0.05, 0.1, 0.2), (0.01, 0.03, 0.1), 10

Numbers = NDArray[np.floating]


@dataclass(frozen=True)
class Data:
    """Training and test part."""

    x: Numbers
    y: NDArray[np.integer]
    x_test: Numbers
    y_test: NDArray[np.integer]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object on one line")
    parser.add_argument("--data", help="IDX folder of MNIST; the embedded digits without")
    parser.add_argument("--quick", action="store_true", help="small depths, for a smoke test")
    parser.add_argument("--choose", metavar="DEPTHS", help="choose rate and gain at these numbers of layers")
    options = parser.parse_args()
    torch.set_num_threads(1)
    source = mep.load_data(f"mnist:{options.data}" if options.data else "digits")
    data = Data(source.x_train, source.y_train, source.x_test, source.y_test)
    epochs = 1 if options.quick else 3 if options.data else 15  # of the digits 22 updates each
    if options.choose:
        grid = [(RATES[0], GAINS[0])] if options.quick else list(product(RATES, GAINS))
        chosen = {layers: choose(int(layers), data, epochs, grid) for layers in options.choose.split(",")}
        print(json.dumps({"choice": chosen}, indent=None if options.json else 2))
        return
    plans = {8: ((0, 1), 1)} if options.quick else {100: ((0, 1, 2), epochs), 500: ((0,), epochs)}
    found = {str(layers): measure(layers, data, *plan) for layers, plan in plans.items()}
    print(json.dumps({"depth": found}, indent=None if options.json else 2))


def chain_of(layers: int, data: Data) -> Residual:
    """The chain of a depth."""
    return Residual(layers, min(0.02, 2.0 / layers), inputs=data.x.shape[1])


def choose(
    layers: int, data: Data, epochs: int, grid: Sequence[tuple[float, float]]
) -> dict[str, dict[str, float]]:
    """Accuracy on a part of the training images, by learning rate and starting gain."""
    cut = len(data.x) * 6 // 7
    parts = Data(data.x[:cut], data.y[:cut], data.x[cut:], data.y[cut:])
    found: dict[str, dict[str, float]] = {"ep": {}, "backprop": {}}
    for rate, gain in grid:
        chain = replace(chain_of(layers, data), rate=rate, gain=gain)
        name = f"rate {rate:g}, gain {gain:g}"
        found["ep"][name], _, _ = train(chain, parts, epochs, CHOICE_SEED)
        found["backprop"][name], _ = backprop(chain, parts, epochs, CHOICE_SEED)
        tell(layers, name, found["ep"][name], found["backprop"][name])
    return found


def measure(layers: int, data: Data, seeds: tuple[int, ...], epochs: int) -> dict[str, Any]:
    """All figures of one depth."""
    chain = chain_of(layers, data)
    near = replace(chain, feedback_gain=NEAR_ZERO, free_steps=1, nudged_steps=1)
    found: dict[str, Any] = {"signal": signal(chain, data)}
    runs = [train(chain, data, epochs, seed) for seed in seeds]
    accuracies = [accuracy for accuracy, _, _ in runs]
    found["ep"], found["ep_seeds"] = statistics.mean(accuracies), accuracies
    found["feedback_gain"] = chain.feedback_gain
    found["settled"] = settled(chain, runs[0][2], data)
    tell(layers, "ep", accuracies, found["settled"])
    found["ep_gain0"], seconds, _ = train(near, data, epochs, seeds[0])
    tell(layers, "ep_gain0", found["ep_gain0"])
    found["backprop"], own = backprop(chain, data, epochs, seeds[0])
    tell(layers, "backprop", found["backprop"])
    found["seconds"] = {"ep": runs[0][1], "ep_gain0": seconds, "backprop": own}
    bare = replace(chain, skips=False)
    found["control"], _, _ = train(replace(bare, gain=1.0), data, epochs, seeds[0])
    found["control_same_start"], _, _ = train(bare, data, epochs, seeds[0])
    tell(layers, "control", found["control"], found["control_same_start"])
    return found


def train(chain: Residual, data: Data, epochs: int, seed: int) -> tuple[float, float, EquilibriumNetwork]:
    """Test accuracy, CPU seconds of an update, and the trained network."""
    net = mep.load(chain.topology(), seed=seed)
    trainer = Trainer(net, data.x, data.y, epochs=epochs, seed=seed)
    trainer.prepare()
    start = time.process_time()
    while not trainer.finished:
        trainer.advance()
    seconds = (time.process_time() - start) / trainer.update
    found, _ = predict(net, data.x_test)
    return float(np.mean(found == data.y_test)), seconds, net


def backprop(chain: Residual, data: Data, epochs: int, seed: int) -> tuple[float, float]:
    """Test accuracy and CPU seconds of an update of the same chain by autograd."""
    torch.manual_seed(seed)
    net = chain.feedforward()
    rate = chain.rate / chain.layers
    optimizer = torch.optim.Adam(net.parameters(), lr=rate, betas=BETAS, eps=EPSILON, fused=True)
    x, y = torch.tensor(data.x, dtype=torch.float32), torch.tensor(data.y, dtype=torch.int64)
    updates = epochs * -(-len(y) // chain.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda update: 1.0 - update / updates)
    start = time.process_time()
    for epoch in range(epochs):
        order = torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(len(y)))
        for rows in torch.split(order, chain.batch):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
    seconds = (time.process_time() - start) / updates
    with torch.no_grad():
        found = net(torch.tensor(data.x_test, dtype=torch.float32)).argmax(1).numpy()
    return float(np.mean(found == data.y_test)), seconds


def batch(chain: Residual, net: EquilibriumNetwork, data: Data) -> tuple[torch.Tensor, torch.Tensor]:
    """The first samples and their targets."""
    features = torch.tensor(data.x[: chain.batch], dtype=torch.float32)
    return features, one_hot(net, torch.tensor(data.y[: chain.batch], dtype=torch.int64))


def signal(chain: Residual, data: Data) -> dict[str, list[float]]:
    """The signal's size along the chain, at the start."""
    net = mep.load(chain.topology(), seed=0)
    features, target = batch(chain, net, data)
    free = free_phase(net, features)
    responses = nudged_phase(net, free, target).responses
    found: dict[str, list[float]] = {"layer": [], "activity": [], "response": [], "log10_k": []}
    for number in sorted({1, *range(chain.layers // 10, chain.layers + 1, max(1, chain.layers // 10))} - {0}):
        name = f"h{number}"
        population = net.network.populations[name]
        slope = responses[name].slope
        assert slope is not None  # the layers settle
        found["layer"].append(number)
        found["activity"].append(rms(free.point.states[name]))
        found["response"].append(rms(slope) * float(population.energy_weight[0]))
        log_k = math.log10(population.energy_weight[0]) + population.energy_exponent * math.log10(2.0)
        found["log10_k"].append(round(log_k, 1))
    return found


def settled(chain: Residual, net: EquilibriumNetwork, data: Data) -> dict[str, float]:
    """Cosine of a training step's contrast with that of settled phases."""
    features, target = batch(chain, net, data)
    free = free_phase(net, features)
    step = contrast(net, free, nudged_phase(net, free, target))
    rest = free_phase(net, features, tolerance=1e-5, max_steps=400)
    nudged = nudged_phase(net, rest, target, tolerance=1e-5, max_steps=400)
    relaxed = contrast(net, rest, nudged)
    parts = [torch.cat([one[name].flatten() for name in one]) for one in (step, relaxed)]
    first = "projections.in.weight"
    return {
        "cosine": cosine(*parts),
        "cosine_first_layer": cosine(step[first].flatten(), relaxed[first].flatten()),
        "unsettled": int((~rest.point.settled | ~nudged.point.settled).sum()),
        "free_steps": chain.free_steps,
        "nudged_steps": chain.nudged_steps,
        "settled_free_steps": int(rest.point.steps.max()),
        "settled_nudged_steps": int(nudged.point.steps.max()),
    }


def rms(values: torch.Tensor) -> float:
    """Root mean square."""
    return float(values.double().square().mean().sqrt())


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    """Of two vectors."""
    return float(torch.nn.functional.cosine_similarity(a.double(), b.double(), dim=0))


def tell(*words: object) -> None:
    """To stderr, with the CPU time so far."""
    print(f"{time.process_time():6.1f} s ", *words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
