"""The emulator's time over that of Lava's simulation, sample by sample and batched.

A dense network of N units (two populations, lambda 0.8, 8 bits), 1,000 steps, 100 samples. Lava runs one
sample at a time (compile, run, stop; the import of Lava left out); a few samples are timed and scaled to 100.
Lava batched is all samples as one block-diagonal Sparse, for 1,000 units fewer samples scaled, as 10^8
weights do not fit. Rounds are interleaved in one run; ratios are of the medians, spreads from smallest to
largest. `cpu_ratio` is the same of processor seconds, the import of Lava included: on a busy machine Lava's
processes wait for each other, which flatters the first ratio.

  emulator_over_lava     Lava's seconds over the emulator's for all 1,000 steps of every sample
  early_stop_over_lava   the same with the emulator's exact early stop: a sample in which no message was sent
                         and no membrane changed can never change again, so that its rest is known

Usage: python tests/benchmarks/loihi_speed.py [--json] [--full]      --full: 1,000 units as well, 3 rounds
"""

import argparse
import json
import resource
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
from loihi_networks import layered, scaled

from mep_neuro.chip.emulate import _advance, _Arrays, emulate
from mep_neuro.chip.product import exact_product
from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import quantize
from mep_neuro.chip.quantized import Quantized
from mep_neuro.converters.to_lava.bundle import write_bundle
from mep_neuro.converters.to_lava.bundle_sigma_delta import sigma_delta_content
from mep_neuro.converters.to_lava.environment import require
from mep_neuro.converters.to_lava.launch import clean_environment, launch
from mep_neuro.simulation.stimulus import present

Pair = tuple[float, float]
STEPS, SAMPLES = 1000, 100
BATCHED = {100: 100, 1000: 2}  # samples of a block-diagonal run
SCRIPT = Path(__file__).parent / "lava_scripts" / "sigma_delta_speed.py"


def children_cpu() -> float:
    """Processor seconds of all ended processes that this one started."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def lava_seconds(folder: Path, bias: Any, scale: float) -> Pair:
    """Seconds of one Lava run of these samples, and processor seconds, both times the scale."""
    before = children_cpu()
    np.savez(folder / "bias.npz", bias=bias)
    log = folder / "log.txt"
    launch(
        [str(require().python), str(SCRIPT), str(folder / "bundle"), str(folder / "bias.npz"), str(STEPS)],
        name="lava",
        advice="see the cause below",
        log=log,
        time_limit=500.0,
        environment=clean_environment(TMPDIR=str(folder), OMP_NUM_THREADS="1"),
    )
    lines = log.read_text().splitlines()
    seconds = next(float(line.split()[1]) for line in lines if line.startswith("seconds"))
    return seconds * scale, (children_cpu() - before) * scale


def all_steps(q: Quantized, bias: Any) -> None:
    """The emulator without its early stop: every sample takes every step."""
    zeros = [np.zeros(bias.shape, np.int32) for _ in range(5)]
    live, product = _Arrays(bias, *zeros), exact_product(q.weight)
    for _ in range(STEPS):
        _advance(live, q.neuron, product)


def timed(work: Any, *arguments: Any) -> Pair:
    """Seconds, and processor seconds."""
    began, cpu = perf_counter(), process_time()
    work(*arguments)
    return perf_counter() - began, process_time() - cpu


def measure(units: int, rounds: int) -> dict[str, dict[str, Any]]:
    network = scaled(layered(0, (10, units // 2, units // 2)), 0.8)
    q = quantize(network, read_profile("loihi2"))
    bias = q.bias(present(network, np.random.default_rng(1).random((SAMPLES, 10))))
    times: dict[str, list[Pair]] = {"lava": [], "batched": [], "emulator": [], "stop": []}
    with tempfile.TemporaryDirectory(prefix="mep-speed-", dir="/tmp") as name:
        folder = Path(name)
        write_bundle(q, sigma_delta_content(q, bias[:1], 1), folder / "bundle")
        few = BATCHED[units]
        for turn in range(rounds):
            times["lava"].append(lava_seconds(folder, bias[turn : turn + 1], SAMPLES))
            times["emulator"].append(timed(all_steps, q, bias))
            times["stop"].append(timed(lambda: emulate(q, bias, steps=STEPS)))
            times["batched"].append(lava_seconds(folder, bias[:few], SAMPLES / few))
            last = {name: [round(value, 3) for value in each[-1]] for name, each in times.items()}
            print(f"{units}: {last}", file=sys.stderr, flush=True)
    settled = emulate(q, bias, steps=STEPS)
    about = {
        "steps_until_silent": {"median": float(np.median(settled.steps)), "max": int(settled.steps.max())},
        "settled": float(settled.settled.mean()),
        "lava_batched_samples": few,
        "seconds": {name: median(wall for wall, _ in each) for name, each in times.items()},
    }
    return {
        "emulator_over_lava": _ratio(times["lava"], times["emulator"]),
        "early_stop_over_lava": _ratio(times["lava"], times["stop"]),
        "early_stop_over_lava_batched": _ratio(times["batched"], times["stop"]),
        "about": about,
    }


def _ratio(slow: list[Pair], fast: list[Pair]) -> dict[str, Any]:
    (slow_wall, slow_cpu), (fast_wall, fast_cpu) = zip(*slow, strict=True), zip(*fast, strict=True)
    each = [a / b for a, b in zip(slow_wall, fast_wall, strict=True)]
    return {
        "ratio": median(slow_wall) / median(fast_wall),
        "spread": [min(each), max(each)],
        "cpu_ratio": median(slow_cpu) / median(fast_cpu),
    }


def main() -> None:
    """Measure, and print the table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--full", action="store_true", help="100 and 1,000 units, three rounds")
    options = parser.parse_args()
    each = {str(n): measure(n, 3 if options.full else 1) for n in ((100, 1000) if options.full else (100,))}
    found = {key: {n: values[key] for n, values in each.items()} for key in each["100"]}
    print(json.dumps(found) if options.json else json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
