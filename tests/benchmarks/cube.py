"""Time of a settle sweep and of a contrast on cubes of n^3 units with 26 neighbours, and what they learn.

    exponent                   of the time of a sweep in the number of synapses, n = 6 to 64
    dense_over_sparse_n24      a sweep by the dense masked matrix over one by the lattice, n = 24
    sweep_over_bandwidth_n48   a sweep (the solver's step: current, drive, rate) over copying the bytes of
                               weights, states, drive and new states once
    product_over_bandwidth_n48 the current alone over copying the bytes of weights, states and currents
    contrast_over_bandwidth_n48  a contrast over copying the bytes of both states and all contrasts
    accuracy                   of digits_cube (cube_accuracy.py), fractions of 1

Batch 32, float32, one thread, process CPU time; states lie as a settle leaves them, the samples of a unit
side by side. Medians of interleaved repeats, `spread` is the lower and the upper quartile of the
paired ratios.

Usage: python tests/benchmarks/cube.py [--json] [--quick]
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mep_neuro.equilibrium.couplings.lattice import LatticeCoupling
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.response import Response
from mep_neuro.equilibrium.solvers.modes import Single
from mep_neuro.equilibrium.solvers.sweeps import Sweeps
from mep_neuro.simulation.build import build
from mep_neuro.topology.spec import NetworkSpec

BATCH = 32
SIDES = (6, 8, 12, 16, 24, 32, 48, 64)
MEASURED = 48
DENSE = 24
QUICK_SIDES, QUICK_MEASURED, QUICK_DENSE = (6, 8, 14), 14, 8
NUMBER = 4  # bytes of a float32


def cube(side: int) -> EquilibriumNetwork:
    """A lattice fed on one face and read out from the opposite one."""
    dense = {"connector": {"type": "dense"}}
    spec = {
        "schema": "mep-neuro/1",
        "name": "cube",
        "neurons": {"unit": {"activation": "hard_sigmoid"}},
        "populations": {
            "input": {"shape": [64], "role": "input"},
            "cube": {"shape": [side] * 3, "neuron": "unit", "bias": 0.3},
            "output": {"shape": [10], "role": "output", "activation": "softmax"},
        },
        "projections": {
            "face": {"pre": "input", "post": "cube[:, :, 0]", **dense},
            "lattice": {
                "pre": "cube",
                "post": "cube",
                "connector": {"type": "lattice"},
                "weight": {"gain": 0.4},
            },
            "read": {"pre": "cube[:, :, -1]", "post": "output", **dense},
        },
    }
    return EquilibriumNetwork(build(NetworkSpec.model_validate(spec)))


def lattice_of(model: EquilibriumNetwork) -> LatticeCoupling:
    coupling = model.couplings["lattice"]
    assert isinstance(coupling, LatticeCoupling)
    return coupling


class Work:
    """One cube in the middle of a settle, and what is timed on it."""

    def __init__(self, side: int) -> None:
        self.model = cube(side)
        self.lattice = lattice_of(self.model)
        self.synapses = self.lattice.weight.numel()
        generator = torch.Generator().manual_seed(0)
        size = side**3
        self.drive = torch.rand(BATCH, size, generator=generator)
        # Units first, as a settle leaves its states.
        self.state = torch.rand(size, BATCH, generator=generator).T
        self.slope = torch.randn(size, BATCH, generator=generator).T
        mode = Single(self.model.activations)
        self.solver = Sweeps(self.model.system, mode, [self.drive], [self.state])
        self.solver.membranes = None  # as in a settle to a tolerance, which keeps none
        self.states_bytes = BATCH * size * NUMBER

    def sweep(self) -> None:
        """One step of the solver."""
        self.solver.step()

    def product(self) -> None:
        """The current alone."""
        self.lattice.forward(self.state)

    def contrast(self) -> None:
        """The contrast of every synapse, averaged over the batch."""
        response = Response(self.state, self.slope)
        self.lattice.contrast(response, response, 1.0 / BATCH)

    def dense(self) -> Callable[[], object]:
        """A sweep by the masked matrix of all pairs."""
        synapses = self.model.network.projections["lattice"].synapses
        matrix = torch.zeros(self.state.shape[1], self.state.shape[1])
        matrix[synapses.post, synapses.pre] = matrix[synapses.pre, synapses.post] = (
            self.lattice.weight.detach()
        )
        assert torch.allclose(self.state @ matrix, self.lattice.forward(self.state), atol=1e-4)
        return lambda: torch.addmm(self.drive, self.state, matrix).clamp_(0.0, 1.0)


def copying(moved: int) -> Callable[[], object]:
    """Reads half of the bytes and writes the other half."""
    source = torch.ones(moved // 2 // NUMBER)
    target = torch.empty_like(source)
    return lambda: target.copy_(source)


def seconds(work: Callable[[], object], calls: int) -> float:
    begin = time.process_time()
    for _ in range(calls):
        work()
    return (time.process_time() - begin) / calls


def ratios(above: Callable[[], object], below: Callable[[], object], repeats: int) -> dict[str, Any]:
    """Paired, interleaved; calls are repeated up to some 30 ms each."""
    above(), below()
    calls = [max(1, int(0.03 / max(seconds(work, 1), 1e-6))) for work in (above, below)]
    pairs = [(seconds(above, calls[0]), seconds(below, calls[1])) for _ in range(repeats)]
    each = np.array([a / b for a, b in pairs])
    low, high = np.quantile(each, [0.25, 0.75])
    times = np.median(pairs, axis=0) * 1e3
    return {"ratio": float(np.median(each)), "spread": [float(low), float(high)], "ms": times.tolist()}


def exponent(works: Mapping[int, Work], repeats: int) -> dict[str, Any]:
    """Slope of log time over log synapses."""
    for work in works.values():
        work.sweep()
    calls = {side: max(1, int(0.03 / max(seconds(work.sweep, 3), 1e-6))) for side, work in works.items()}
    times = {side: [] for side in works}
    for _ in range(repeats):
        for side, work in works.items():
            times[side].append(seconds(work.sweep, calls[side]))
    synapses = np.log([work.synapses for work in works.values()])
    slopes = [float(np.polyfit(synapses, np.log(row), 1)[0]) for row in zip(*times.values(), strict=True)]
    middle = [float(np.median(row)) for row in times.values()]
    return {
        "exponent": float(np.polyfit(synapses, np.log(middle), 1)[0]),
        "exponent_spread": [float(q) for q in np.quantile(slopes, [0.25, 0.75])],
        "sweep_ms": {side: time * 1e3 for side, time in zip(works, middle, strict=True)},
        "synapses": {side: work.synapses for side, work in works.items()},
    }


def measure(quick: bool) -> dict[str, Any]:
    sides, side, small, repeats = (
        (QUICK_SIDES, QUICK_MEASURED, QUICK_DENSE, 3) if quick else (SIDES, MEASURED, DENSE, 11)
    )
    found: dict[str, Any] = {}
    works = {}
    for n in sides:
        tell(f"building {n}^3")
        works[n] = Work(n)
    work = works[side]
    weights, states = work.synapses * NUMBER, work.states_bytes
    for name, run, moved in (
        ("sweep", work.sweep, weights + 3 * states),
        ("product", work.product, weights + 2 * states),
        ("contrast", work.contrast, weights + 2 * states),
    ):
        tell(f"{name} at {side}^3")
        result = ratios(run, copying(moved), repeats)
        found[f"{name}_over_bandwidth_n48"] = result["ratio"]
        found[f"{name}_over_bandwidth_n48_spread"] = result["spread"]
        found[f"{name}_ms_n48"], found[f"{name}_copy_ms_n48"] = result["ms"]
    tell("time over synapses")
    found |= exponent(works, repeats)
    tell(f"dense at {small}^3")
    result = ratios(works[small].dense(), works[small].sweep, min(repeats, 7))
    found["dense_over_sparse_n24"] = result["ratio"]
    found["dense_over_sparse_n24_spread"] = result["spread"]
    return found


def accuracy(quick: bool) -> dict[str, Any]:
    """What cube_accuracy.py finds, in a process of its own."""
    tell("accuracy")
    command = [sys.executable, str(Path(__file__).with_name("cube_accuracy.py")), "--json"]
    command += ["--quick", "--parts", "untrained,linear"] if quick else []
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(run.stdout))


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object on one line")
    parser.add_argument("--data", help="not used: the cube learns scikit-learn's digits")
    parser.add_argument("--quick", action="store_true", help="small sizes, for a smoke test")
    parser.add_argument("--parts", default="times,accuracy", help="which, separated by commas")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(options.quick) if "times" in options.parts else {}
    if "accuracy" in options.parts:
        found["accuracy"] = accuracy(options.quick)
    print(json.dumps({"cube": found}, indent=None if options.json else 2))


if __name__ == "__main__":
    main()
