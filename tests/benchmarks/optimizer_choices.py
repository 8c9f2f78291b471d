"""What the choices of an optimizer are worth: error feedback, cost, dropout; what Dion and the bound cost.

    python tests/benchmarks/optimizer_choices.py --json --data DIR [--parts xor,feedback,...]

Nets, images and schedule of optimizers.py, 3 seeds, mean and deviation of the held-out accuracy.

xor: seeds out of 10 that end with all four of networks/xor.yaml right.
feedback: Dion with error feedback and without, at rank 1/8 and 1/32 of the hidden units (32 and 8).
cost: Dion with squared error, and with cross-entropy, of the classic net, of COST_RATES and COST_GAINS
those that are best on 500 of the images with seed 0: contrasts of a cross-entropy shrink as it is right, and
at feedback gain 1 the bound keeps the outputs too small for it to be sure. And its softmax read-out by sdmep.
dropout: Dion with a fifth of the hidden units silenced in training, and with none.
times: one update over one of backpropagation with torch's SGD, median of interleaved ratios: Dion at ranks
16, 32, 64; and of 784-512-512-10 by `mep.sdmep` what a spectral bound adds, of the coupled map and of
each matrix.
bound: what the spectral bound takes of the time of an update, as a share of everything else in it, and the
share of updates at which products were due (others pass by what the last check left). 100 updates of a
training from its 50th on, of 784-256-10 and 784-512-512-10 with the output inside the dynamics at 0.9, at
every update and every tenth, and of 784-512-512-10 by `mep.sdmep` at its default bound and one it stays at.
scaling: milliseconds of one step on a square matrix, of Dion at rank 32, of its three products alone, and
of Muon up to 2048; and what Dion keeps and needs beside the matrix and its momentum, in numbers a side.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import torch
from optimizers import (
    BATCH,
    CHOSEN,
    HELD_OUT,
    IMAGES,
    SEEDS,
    Arrays,
    by_network,
    by_preset,
    ratios,
    spent,
    topology,
    update,
)
from torch import nn

import mep_neuro as mep
from mep_neuro.equilibrium.bounds.spectral_bound import SpectralBound
from mep_neuro.equilibrium.consolidation.dion import Dion
from mep_neuro.equilibrium.consolidation.muon import Muon
from mep_neuro.equilibrium.learning.trainer import Trainer, predict

COST_RATES, COST_GAINS = (0.01, 0.02, 0.04, 0.08), (1.0, 0.3)
SIDES, LARGEST_OF_MUON, RANK = (512, 1024, 2048, 4096, 8192), 2048, 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--data", help="IDX folder of MNIST; the digits without")
    parser.add_argument("--parts", default=",".join(PARTS), help="some of the parts")
    parser.add_argument("--quick", action="store_true", help="one epoch, one seed, for a smoke test")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = mep.load_data(f"mnist:{options.data}" if options.data else "digits")
    x = data.x_train[:IMAGES].astype(np.float32)
    arrays = (x, data.y_train[:IMAGES], data.x_test.astype(np.float32), data.y_test)
    found = {}
    for name in options.parts.split(","):
        found[name] = PARTS[name](arrays, options.quick)
        print(name, found[name], file=sys.stderr, flush=True)
    print(json.dumps({"optimizer_choices": found}, indent=None if options.json else 2))


def xor(arrays: Arrays, quick: bool) -> int:
    x = np.array([[a, b, 1 - a, 1 - b] for a in (0, 1) for b in (0, 1)], dtype=np.float32)
    y = np.array([0, 1, 1, 0])
    return sum(_xor_solved(x, y, seed) for seed in range(1 if quick else 10))


def _xor_solved(x: np.ndarray, y: np.ndarray, seed: int) -> bool:
    model = mep.load("xor", seed=seed)
    trainer = Trainer(model, x, y, epochs=model.spec.learning.epochs, seed=seed)
    trainer.prepare()
    while not trainer.finished:
        trainer.advance()
    return bool((predict(model, x)[0] == y).all())


def feedback(arrays: Arrays, quick: bool) -> dict[str, dict[str, list[float]]]:
    ranks, switch = {"1/8": 32, "1/32": 8}, {"on": 1.0, "off": 0.0}
    return {
        share: {
            name: accuracies(arrays, quick, rank=rank, error_feedback=strength)
            for name, strength in switch.items()
        }
        for share, rank in ranks.items()
    }


def cost(arrays: Arrays, quick: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: {f"feedback gain {gain}": at_its_rate(arrays, quick, name, gain) for gain in COST_GAINS}
        for name in ("squared_error", "cross_entropy")
    }
    epochs, rate = 1 if quick else 10, CHOSEN["sdmep"]
    readout = _spread(lambda seed: by_preset("sdmep", arrays, rate, seed, epochs), quick)
    return {**found, "softmax_readout": {"accuracy": readout, "rate": rate}}


def at_its_rate(arrays: Arrays, quick: bool, cost: str, gain: float) -> dict[str, Any]:
    """The classic net with Dion at the rate that is best on a part of the training images."""

    def score(data: Arrays, rate: float, seed: int) -> float:
        epochs = 1 if quick else 10
        return by_network("dion", data, rate, seed, epochs, cost=cost, feedback_gain=gain)

    x, y, *_ = arrays
    parts = (x[:-HELD_OUT], y[:-HELD_OUT], x[-HELD_OUT:], y[-HELD_OUT:])
    scores = {rate: score(parts, rate, 0) for rate in (COST_RATES[:1] if quick else COST_RATES)}
    best = max(scores, key=lambda rate: scores[rate])
    test = _spread(lambda seed: score(arrays, best, seed), quick)
    return {"accuracy": test, "rate": best, "chosen on": scores}


def dropout(arrays: Arrays, quick: bool) -> dict[str, list[float]]:
    return {str(share): accuracies(arrays, quick, dropout=share) for share in (0.0, 0.2)}


def accuracies(arrays: Arrays, quick: bool, **changes: Any) -> list[float]:
    """Mean and deviation of the classic net with Dion."""
    epochs = 1 if quick else 10
    return _spread(lambda s: by_network("dion", arrays, CHOSEN["dion"], s, epochs, **changes), quick)


def _spread(score: Callable[[int], float], quick: bool) -> list[float]:
    scores = [score(seed) for seed in (SEEDS[:1] if quick else SEEDS)]
    return [statistics.mean(scores), statistics.stdev(scores) if len(scores) > 1 else 0.0]


def times(arrays: Arrays, quick: bool) -> dict[str, dict[str, float]]:
    x, y = torch.from_numpy(arrays[0][:BATCH]), torch.from_numpy(arrays[1][:BATCH])

    def net(*widths: int) -> nn.Sequential:
        torch.manual_seed(0)
        sizes = (x.shape[1], *widths)
        layers = [m for a, b in itertools.pairwise(sizes) for m in (nn.Linear(a, b), nn.ReLU())]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], 10))

    def backprop(*widths: int) -> Callable[[], object]:
        model = net(*widths)
        sgd = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
        return lambda: update(model, sgd, x, y, ep=False)

    def ep(*widths: int, **settings: Any) -> Callable[[], object]:
        model = net(*widths)
        optimizer = mep.sdmep(model.parameters(), model, **{"lr": 1e-3, "dion_thresh": 1000, **settings})
        return lambda: update(model, optimizer, x, y, ep=True)

    one = {f"rank {rank}": ep(256, rank_frac=rank / 256, gamma=None) for rank in (16, 32, 64)}
    fixed = {"rank_frac": 32 / 512, "tolerance": 1e-2}
    bounds = {"none": {"gamma": None}, "coupled": {"gamma": 0.3}, "matrix": {"gamma": 0.9, "bound": "matrix"}}
    two = {f"bound {name}": ep(512, 512, **fixed, **bound) for name, bound in bounds.items()}
    repeats = 2 if quick else 40
    return {
        "784-256-10": ratios(backprop(256), one, repeats),
        "784-512-512-10": ratios(backprop(512, 512), two, repeats),
    }


def bound(arrays: Arrays, quick: bool) -> dict[str, dict[str, float]]:
    updates = (2, 4) if quick else (50, 100)
    found = {}
    for hidden in ((256,), (512, 512)):
        for method in ("sgd", "dion"):
            for period in (1, 10):
                mapping = topology(method, arrays[0].shape[1], CHOSEN[method], period=f"{period} updates")
                trainer = Trainer(mep.load(deeper(mapping, hidden), seed=0), *arrays[:2], epochs=100)
                trainer.prepare()
                name = f"{'-'.join(map(str, hidden))} {method} every {period}"
                found[name] = _share(trainer.advance, *updates)
    x, y = (torch.from_numpy(a) for a in arrays[:2])
    for gamma in (0.95, 0.3):
        torch.manual_seed(0)
        layers = [nn.Linear(x.shape[1], 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)]
        model = nn.Sequential(*layers)
        optimizer = mep.sdmep(
            model.parameters(), model, lr=CHOSEN["sdmep"], gamma=gamma, rank_frac=RANK / 512
        )
        rows = itertools.cycle(torch.arange(len(x)).split(BATCH))

        def sdmep_step(model=model, optimizer=optimizer, rows=rows) -> None:
            now = next(rows)
            update(model, optimizer, x[now], y[now], ep=True)

        found[f"512-512 sdmep at {gamma}"] = _share(sdmep_step, *updates)
    return found


def deeper(mapping: dict[str, Any], hidden: tuple[int, ...]) -> dict[str, Any]:
    """The classic net with these hidden layers."""
    populations, projections = mapping["populations"], mapping["projections"]
    layer, names = populations.pop("hidden"), ["hidden", "second"][: len(hidden)]
    output = populations.pop("output")
    for name, size in zip(names, hidden, strict=True):
        populations[name] = {**layer, "shape": [size]}
    populations["output"] = output
    if len(hidden) == 2:
        projections["between"] = {"pre": "hidden", "post": "second", "connector": {"type": "dense"}}
        projections["out"]["pre"] = "second"
    return mapping


def _share(step: Callable[[], object], warm: int, timed: int) -> dict[str, float]:
    """Time in SpectralBound.enforce over the rest of the steps, and checks over steps."""
    inside, checks = 0.0, 0
    enforce = SpectralBound.enforce

    def watched(self: SpectralBound) -> float:
        nonlocal inside, checks
        assert self.certificate is not None
        before, start = self.certificate.checks, time.thread_time()
        radius = enforce(self)
        inside += time.thread_time() - start
        checks += self.certificate.checks - before
        return radius

    with mock.patch.object(SpectralBound, "enforce", watched):
        for _ in range(warm):
            step()
        inside, checks = 0.0, 0
        whole = sum(spent(step) for _ in range(timed))
    return {"share": inside / (whole - inside), "checked": checks / timed}


def scaling(arrays: Arrays, quick: bool) -> dict[int, dict[str, float]]:
    found = {}
    for side in SIDES[:1] if quick else SIDES:
        matrix = nn.Parameter(torch.zeros(side, side))
        matrix.grad = torch.randn(side, side, generator=torch.Generator().manual_seed(0))
        dion, narrow = Dion([matrix], lr=1e-3, rank=RANK), torch.randn(side, RANK)
        gradient, room = matrix.grad, torch.empty(side, side)

        def products(gradient=gradient, narrow=narrow, room=room) -> None:
            gradient @ narrow
            gradient.T @ narrow
            torch.addmm(gradient, narrow, narrow.T, out=room)

        dion.step()  # makes its state
        kept = sum(t.numel() for t in dion.state[matrix].values()) - matrix.numel()
        found[side] = {
            "dion": _milliseconds(dion.step),
            "products": _milliseconds(products),
            "kept_per_side": kept / side,
        }
        if side <= LARGEST_OF_MUON:
            found[side]["muon"] = _milliseconds(Muon([matrix], lr=1e-3).step)
        print(side, found[side], file=sys.stderr, flush=True)
    return found


def _milliseconds(step: Callable[[], object]) -> float:
    return 1e3 * statistics.median(spent(step) for _ in range(3))


PARTS: dict[str, Callable[[Arrays, bool], Any]] = {
    "xor": xor,
    "feedback": feedback,
    "cost": cost,
    "dropout": dropout,
    "times": times,
    "bound": bound,
    "scaling": scaling,
}

if __name__ == "__main__":
    main()
