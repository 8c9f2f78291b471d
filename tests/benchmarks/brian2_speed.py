"""How much faster a batch settles in Brian2 than by a plain script with one run() per sample.

    python tests/benchmarks/brian2_speed.py --json

784-256-10, 100 samples, 60 Euler steps. `naive` is what one would write first: the input as a
NeuronGroup, dense Synapses, tied feedback, run() once for each sample on the numpy target. Ours is
`model.run(features, 60 ms)` on other features each time, the input's currents and the reading of the
rates included, in four ways: with the inner projection as a matrix product (`numpy`, the fastest without a
compiler, and `standalone_dense`), or with a Synapses object (`numpy_synapses` and `standalone`). Programs are
built before;
`build_cpu_seconds` is the build of the one with Synapses, code generation included. All ways must end
with the same rates (`apart` is the largest difference).

Rounds alternate between the ways in one process; a figure is the median over rounds of CPU time over
CPU time, child processes included, and `spread` its extremes. `exponent` is the slope of log CPU time
of a step against log(synapses x samples) in the standalone program, beside those of each factor alone.
Imported modules are frozen out of Python's garbage collector, which Brian2 starts in every run(): else
the plain script would pay for our imports.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import gc
import json
import resource
import statistics
import sys
import tempfile
from collections.abc import Callable

import brian2 as b2
import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.backend import convert
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.topology.spec import NetworkSpec

Array = NDArray[np.float64]
SAMPLES, STEPS, DT = 100, 60, 1e-3
WAYS = {
    "numpy": ("numpy", "dense"),
    "numpy_synapses": ("numpy", "synapses"),
    "standalone": ("cpp_standalone", "synapses"),
    "standalone_dense": ("cpp_standalone", "dense"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="a small net on numpy alone, for a smoke test")
    options = parser.parse_args()
    ways = {k: v for k, v in WAYS.items() if not options.quick or v[0] == "numpy"}
    sizes, rounds = ((20, 12, 4), 1) if options.quick else ((784, 256, 10), 7)
    b2.prefs.codegen.target = "numpy"
    network, rng = layered(sizes), np.random.default_rng(0)
    naive = plain_script(network)
    with tempfile.TemporaryDirectory() as home:
        os.environ["MEP_NEURO_HOME"] = home  # nothing is built yet
        models = {}
        build_seconds = 0.0
        for way, (target, connectivity) in ways.items():
            begin = cpu()
            models[way] = convert(network, samples=SAMPLES, target=target, connectivity=connectivity)
            models[way].run(rng.random((SAMPLES, sizes[0])), STEPS * DT)
            if way == "standalone":
                build_seconds = cpu() - begin
        naive(rng.random((1, sizes[0])))
        gc.collect()
        gc.freeze()
        ratios: dict[str, list[float]] = {way: [] for way in ways}
        naive_seconds, apart = [], 0.0
        for _ in range(rounds):
            features = rng.random((SAMPLES, sizes[0]))
            begin = cpu()
            expected = naive(features[:FEW])
            naive_seconds.append((cpu() - begin) * SAMPLES / FEW)
            for way, model in models.items():
                begin = cpu()
                recording = model.run(features, STEPS * DT)
                ratios[way].append(naive_seconds[-1] / (cpu() - begin))
                apart = max(apart, float(np.abs(recording.rates["output"][:FEW] - expected).max()))
            print({way: round(r[-1], 1) for way, r in ratios.items()}, file=sys.stderr)
        growth = exponents("numpy", 1, 5) if options.quick else exponents("cpp_standalone", 16, 100)
    result = {
        "over_naive": {way: statistics.median(r) for way, r in ratios.items()},
        "spread": {way: [min(r), max(r)] for way, r in ratios.items()},
        "naive_cpu_seconds": statistics.median(naive_seconds),
        "build_cpu_seconds": build_seconds,
        "apart": apart,
        **growth,
    }
    print(json.dumps({"brian2_speed": result}, indent=None if options.json else 2))


FEW = 3  # samples of the plain script in a round


def cpu() -> float:
    """CPU seconds of this process and of the children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def layered(sizes: tuple[int, int, int]) -> Network:
    dense = {"type": "dense"}
    mapping = {
        "name": "layered",
        "populations": {
            "input": {"shape": [sizes[0]], "role": "input"},
            "hidden": {"shape": [sizes[1]]},
            "output": {"shape": [sizes[2]], "role": "output"},
        },
        "projections": {
            "first": {"pre": "input", "post": "hidden", "connector": dense},
            "second": {"pre": "hidden", "post": "output", "connector": dense, "weight": {"gain": 0.4}},
        },
    }
    return build(NetworkSpec.model_validate(mapping))


def plain_script(network: Network) -> Callable[[Array], Array]:
    """What a user of Brian2 would write; returns the output rates of each sample after all steps."""
    clock = b2.Clock(DT * b2.second)
    equations = "dv/dt = (-v + forward + back) / (5*ms) : 1\nr = clip(v, 0, 1) : 1\nforward : 1\nback : 1"
    pixels = b2.NeuronGroup(network.input.size, "r : 1", clock=clock)
    hidden, output = (
        b2.NeuronGroup(network.populations[name].size, equations, method="euler", clock=clock)
        for name in ("hidden", "output")
    )
    first = b2.Synapses(pixels, hidden, "w : 1\nforward_post = w * r_pre : 1 (summed)", clock=clock)
    first.connect()
    first.w = network.projections["first"].weight.T.ravel()
    tied = "w : 1\nforward_post = w * r_pre : 1 (summed)\nback_pre = w * r_post : 1 (summed)"
    second = b2.Synapses(hidden, output, tied, clock=clock)
    second.connect()
    second.w = network.projections["second"].weight.T.ravel()
    whole = b2.Network(pixels, hidden, output, first, second)

    def settle(features: Array) -> Array:
        found = []
        for sample in features:
            pixels.r, hidden.v, output.v = sample, 0, 0
            whole.run(STEPS * DT * b2.second)
            found.append(np.array(output.r))
        return np.stack(found)

    return settle


def exponents(target: str, scale: int, batch: int) -> dict[str, float]:
    """Slopes of log CPU time of a step against log size, of a net without its fixed costs."""
    hidden = tuple(scale * h for h in (4, 8, 16, 32))
    by_synapses = [step_seconds(target, h, batch) for h in hidden]
    samples, width = tuple(batch * k // 2 for k in (1, 2, 4, 8)), 8 * scale
    by_samples = [step_seconds(target, width, s) for s in samples]
    sizes = [h * 40 * batch for h in hidden] + [width * 40 * s for s in samples]
    return {
        "exponent": slope(sizes, by_synapses + by_samples),
        "exponent_synapses": slope(hidden, by_synapses),
        "exponent_samples": slope(samples, by_samples),
    }


def step_seconds(target: str, hidden: int, samples: int) -> float:
    """CPU time of one step: a long run less a short one, the least of three."""
    model = convert(layered((8, hidden, 40)), samples=samples, target=target)
    features = np.random.default_rng(1).random((samples, 8))

    def seconds(steps: int) -> float:
        begin = cpu()
        model.run(features, steps * DT)
        return cpu() - begin

    seconds(1)
    few, many = 10, 110
    least = min(seconds(many) for _ in range(3)) - min(seconds(few) for _ in range(3))
    return max(least, 1e-9) / (many - few)


def slope(sizes: "list[int] | tuple[int, ...]", seconds: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


if __name__ == "__main__":
    main()
