"""Peak memory of a settle, and of autograd through the same settle, over the states' own bytes.

Counted by torch's allocator (the profiler's memory events): every block that torch takes or gives back,
temporaries within an operator included. Blocks that were there before (weights, features) do not count;
everything that a phase makes does: input rates, drives, states, cached currents, results.

    settle_peak_over_states     free phase, solver `sweeps`, at 10, 100 and 1,000 steps; the worst network
    lean_peak_over_states       the same, solver `lean`
    autograd_peak_over_states   forward and backward through as many unrolled steps; the better of two
    settled_peak_over_states    free phase to a tolerance, samples leaving one after the other, by solver
    nudged_peak_over_states     centered nudged phase, over the bytes of the pair of states, by solver
    per_layer                   peak of a free phase over the number of layers, in bytes; a layer's states
                                take `layer_states` bytes
    counter                     bytes counted for a known tensor, and expected

Usage: python tests/benchmarks/memory.py [--json] [--quick]
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from mep_neuro.equilibrium.fixed_point import FixedPoint
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import Free, free_phase, nudged_phase
from mep_neuro.equilibrium.settle import SOLVERS
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec

BATCH, INPUTS, CHAIN_WIDTH = 64, 32, 16
NEVER = 1e-300  # a tolerance that no sample meets in float32, so that every step is taken


def peak_of(work: Callable[[], object]) -> int:
    """Most bytes that torch held at once on behalf of the work, beyond those it found."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=False) as seen:
        kept = work()  # its result is alive to the end
    assert seen.profiler is not None
    assert seen.profiler.kineto_results is not None
    events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    live = most = 0
    for event in events:
        live += event.nbytes()
        most = max(most, live)
    del kept
    return most


def counter_check() -> dict[str, int]:
    """A tensor of 4,000 bytes that stays, one of 8,000 that goes before another of 6,000 comes."""

    def work() -> Tensor:
        stays, goes = torch.ones(1000), torch.ones(2000)
        del goes
        return stays.add_(torch.ones(1500)[:1000])

    return {"counted": peak_of(work), "expected": 12_000}


def network(populations: dict[str, Any], projections: dict[str, Any], cost: str) -> EquilibriumNetwork:
    """A model with a spectral bound of 0.9, settled or not."""
    topology = {
        "schema": "mep-neuro/1",
        "name": "memory",
        "neurons": {"unit": {"activation": "tanh"}},
        "populations": {"input": {"shape": [INPUTS], "role": "input"}, **populations},
        "projections": projections,
        "equilibrium": {"nudge": {"cost": cost}},
        "consolidation": {"spectral_bound": 0.9},
    }
    return EquilibriumNetwork(build(read_spec(topology)))


def chain(widths: list[int]) -> EquilibriumNetwork:
    """Settling layers in a row, the last one the output."""
    names = [*(f"h{i}" for i in range(1, len(widths))), "output"]
    populations: dict[str, Any] = {
        name: {"shape": [width], "neuron": "unit"} for name, width in zip(names, widths, strict=True)
    }
    populations["output"]["role"] = "output"
    projections = {
        f"{pre}_{post}": {
            "pre": pre,
            "post": post,
            "connector": {"type": "dense"},
            "weight": {"gain": 1.0 if pre == "input" else 0.2},
        }
        for pre, post in pairwise(["input", *names])
    }
    return network(populations, projections, "squared_error")


def cube(side: int) -> EquilibriumNetwork:
    """A lattice, fed on one face and read out from the opposite one."""
    dense = {"connector": {"type": "dense"}}
    return network(
        {
            "cube": {"shape": [side] * 3, "neuron": "unit"},
            "output": {"shape": [10], "role": "output", "activation": "softmax"},
        },
        {
            "face": {"pre": "input", "post": "cube[:, :, 0]", **dense},
            "lattice": {
                "pre": "cube",
                "post": "cube",
                "connector": {"type": "lattice"},
                "weight": {"spectral_radius": 0.8},
            },
            "read": {"pre": "cube[:, :, -1]", "post": "output", **dense},
        },
        "cross_entropy",
    )


def features() -> Tensor:
    return torch.randn(BATCH, INPUTS, generator=torch.Generator().manual_seed(0))


def state_bytes(model: EquilibriumNetwork) -> int:
    """Bytes of one state of every settling unit, for the batch."""
    return sum(model.system.sizes) * BATCH * torch.finfo(model.dtype).bits // 8


def settle_peak(model: EquilibriumNetwork, solver: str, steps: int) -> float:
    """Peak of a free phase of exactly some measured steps, over the states."""
    x = features()
    free_phase(model, x[:1], solver=solver, tolerance=NEVER, max_steps=1)  # whatever is made once, for good
    return peak_of(
        lambda: free_phase(model, x, solver=solver, tolerance=NEVER, max_steps=steps)
    ) / state_bytes(model)


def settled_peak(model: EquilibriumNetwork, solver: str) -> float:
    """Peak of a free phase in which samples of different strength settle at different steps."""
    x = features() * torch.logspace(-3, 0.5, BATCH).unsqueeze(1)
    found: list[FixedPoint] = []

    def work() -> Free:
        free = free_phase(model, x, solver=solver, tolerance=1e-4, max_steps=2000)
        found.append(free.point)
        return free

    peak = peak_of(work) / state_bytes(model)
    if not bool(found[0].settled.all()) or len(found[0].steps.unique()) < 2:
        raise SystemExit(f"{solver}: the samples were to settle at different steps: {found[0].status}")
    return peak


def nudged_peak(model: EquilibriumNetwork, solver: str) -> float:
    """Peak of a centered nudged phase of 20 steps, over the pair of states."""
    equilibrium = model.spec.equilibrium.model_copy(update={"solver": solver})
    model.spec = model.spec.model_copy(update={"equilibrium": equilibrium})
    free, target = free_phase(model, features()), torch.zeros(BATCH, 10)
    target[:, 0] = 1.0
    peak = peak_of(
        lambda: nudged_phase(model, free, target, phases="centered", tolerance=NEVER, max_steps=20)
    )
    return peak / (2 * state_bytes(model))


def autograd_peak(model: EquilibriumNetwork, steps: int) -> float:
    """Peak of backpropagation through steps of s <- rho(W s + g W^T s + drive), over the states."""
    x, system = features(), model.system

    def work() -> tuple[Tensor, ...]:
        with torch.enable_grad():
            _, drive = model.drive(x)
            states = [torch.zeros(BATCH, size) for size in system.sizes]
            for _ in range(steps):
                new = []
                for block, name in enumerate(model.settling):
                    current = drive[name]
                    for link in system.links[block]:
                        current = link.onto(current, states[link.source])
                    new.append(torch.tanh(current))
                states = new
            return torch.autograd.grad(states[-1].square().sum(), list(model.weights.values()))

    for weight in model.weights.values():
        weight.requires_grad_(True)
    try:
        return peak_of(work) / state_bytes(model)
    finally:
        for weight in model.weights.values():
            weight.requires_grad_(False)


def measure(quick: bool) -> dict[str, Any]:
    """All figures."""
    step_counts = (10, 30) if quick else (10, 100, 1000)
    solvers = ("sweeps", "lean") if quick else tuple(SOLVERS)
    layer_counts = (10, 50) if quick else (10, 100, 1000)
    models = {"512-512-10": chain([512, 512, 10])}
    if not quick:
        models |= {
            "1024-10": chain([1024, 10]),
            "128x8-10": chain([128] * 8 + [10]),
            "256-10": chain([256, 10]),
            "cube 6": cube(6),
            "cube 14": cube(14),
        }
    found: dict[str, Any] = {"counter": counter_check()}
    for key, solver in (("settle", "sweeps"), ("lean", "lean")):
        by_network = {
            name: {str(n): round(settle_peak(model, solver, n), 3) for n in step_counts}
            for name, model in models.items()
        }
        found[f"{key}_peak_over_states"] = {
            str(n): max(by_step[str(n)] for by_step in by_network.values()) for n in step_counts
        }
        found[f"{key}_peak_by_network"] = by_network
        tell(f"{key} {found[f'{key}_peak_over_states']}")
    found["autograd_peak_over_states"] = {
        str(n): round(min(autograd_peak(chain(widths), n) for widths in ([256, 10], [128, 128, 10])), 3)
        for n in step_counts
    }
    tell(f"autograd, the better of 256-10 and 128-128-10 {found['autograd_peak_over_states']}")
    for key, peak in (("settled", settled_peak), ("nudged", nudged_peak)):
        found[f"{key}_peak_over_states"] = {
            solver: round(max(peak(model, solver) for model in models.values()), 3) for solver in solvers
        }
        tell(f"{key} {found[f'{key}_peak_over_states']}")
    for key, solver in (("per_layer", "sweeps"), ("lean_per_layer", "lean")):
        found[key] = {}
        for layers in layer_counts:
            model = chain([CHAIN_WIDTH] * layers)
            found[key][str(layers)] = round(settle_peak(model, solver, 10) * state_bytes(model) / layers)
    found["layer_states"] = CHAIN_WIDTH * BATCH * 4
    tell(f"per layer {found['per_layer']}, lean {found['lean_per_layer']}, states {found['layer_states']}")
    return found


def tell(text: str) -> None:
    print(f"{time.process_time():6.1f} s  {text}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object on one line")
    parser.add_argument("--data", help="not used: it learns from no images")
    parser.add_argument("--quick", action="store_true", help="small sizes, for a smoke test")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(json.dumps({"memory": measure(options.quick)}, indent=None if options.json else 2))


if __name__ == "__main__":
    main()
