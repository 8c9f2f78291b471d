"""Run this bundle as Lava processes: python run_bundle.py BUNDLE --inputs in.npz --out out.npz.

Needs numpy and lava-nc 0.10.0 only (Python 3.10 or 3.11); README.txt says how to install them.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from bundle_file import Bundle, DamagedBundleError, load_bundle
from guard import guarded

Ints = np.ndarray[Any, Any]
TRACED = ("s", "v", "sigma", "messages")
SLICES = 20  # progress reports of a run


def main() -> int:
    """Read the command line, run, write; 0 done, 1 the golden run differs, 2 the user's mistake."""
    options = _arguments()
    try:
        bundle = load_bundle(options.bundle)
        if options.check:
            return _check(bundle)
        bias = _bias(bundle, options.inputs)
    except DamagedBundleError as error:
        print(error, file=sys.stderr)
        return 2
    steps = options.steps or int(bundle.manifest["golden"]["steps"])
    trace = tuple(filter(None, options.trace.split(",")))
    states = simulate(bundle, bias, steps, trace, _print_step, options.parent)
    _write(options.out, _results(bundle, states))
    return 0


def simulate(
    bundle: Bundle,
    bias: Ints,
    steps: int,
    trace: tuple[str, ...] = (),
    progress: Callable[[int, int], None] | None = None,
    parent: int = 0,
) -> dict[str, Ints]:
    """Run every sample for `steps` steps, from rest, as two Lava processes.

    The samples are copies of the network in one population: with W the weights, the synapses are
    the block matrix kron(1, W). More processes cost 0.2 ms per step each.

    Args:
        bundle: The network.
        bias: Integers, shape (samples, units).
        steps: Time steps.
        trace: Which of `TRACED` to return at every step, as well.
        progress: Called with (steps done, steps).
        parent: Process id of whoever started this one, whose end ends the run; 0 for nobody's.

    Returns:
        The last s, v, sigma and messages, shape (samples, units), int32, and, as 'trace_s' and so on,
        what was asked for, shape (steps, samples, units).
    """
    samples, units = bias.shape
    with tempfile.TemporaryDirectory(prefix="mep-neuro-lava-") as folder:
        rows = {name: steps if name in trace else 1 for name in TRACED}
        files = {name: os.path.join(folder, name + ".npy") for name in TRACED}
        for name, file in files.items():
            np.save(file, np.zeros((rows[name], samples * units), dtype=np.int32))
        with guarded(parent) as watch:
            population, settings = _processes(bundle, bias, files)
            population.create_runtime(run_cfg=settings)
            watch(population.runtime._messaging_infrastructure.actors)  # Lava has no public name for them
            _run(population, steps, progress)
        population.stop()
        recorded = {n: np.load(f).reshape(rows[n], samples, units) for n, f in files.items()}
    states = {name: values[-1] for name, values in recorded.items()}
    return {**states, **{"trace_" + name: recorded[name] for name in trace}}


def _processes(bundle: Bundle, bias: Ints, files: Mapping[str, str]) -> tuple[Any, Any]:
    from ep_sigma_delta import EPSigmaDelta, hashable_dataclasses

    with hashable_dataclasses():
        from lava.magma.core.run_configs import Loihi2SimCfg
        from lava.proc.sparse.models import csr_matrix
        from lava.proc.sparse.process import Sparse
        from lava.utils.weightutils import SignMode

    synapses = bundle.manifest["synapses"]
    population = EPSigmaDelta(bias=bias.ravel(), traces=files, **bundle.manifest["registers"])
    connections = Sparse(
        weights=csr_matrix(_replicated(bundle, bias.shape[0]), shape=(bias.size, bias.size)),
        num_message_bits=synapses["num_message_bits"],
        num_weight_bits=synapses["num_weight_bits"],
        weight_exp=synapses["weight_exp"],
        sign_mode=SignMode[synapses["sign_mode"]],  # not told, Lava infers it and odd weights survive
    )
    population.s_out.connect(connections.s_in)
    connections.a_out.connect(population.a_in)
    return population, Loihi2SimCfg(select_tag="fixed_pt")  # without the tag Lava takes float models


def _run(population: Any, steps: int, progress: Callable[[int, int], None] | None) -> None:
    from lava.magma.core.run_conditions import RunSteps

    size, done = -(-steps // SLICES), 0
    while done < steps:
        population.run(condition=RunSteps(num_steps=min(size, steps - done)))
        done = min(done + size, steps)
        if progress is not None:
            progress(done, steps)


def _replicated(bundle: Bundle, samples: int) -> tuple[Ints, tuple[Ints, Ints]]:
    arrays = bundle.arrays
    first = bundle.units * np.arange(samples, dtype=np.int64)[:, None]
    post, pre = (arrays["weight_post"] + first).ravel(), (arrays["weight_pre"] + first).ravel()
    return np.tile(arrays["weight"].astype(np.int32), samples), (post, pre)


def encode(bundle: Bundle, features: Ints) -> Ints:
    """Integer bias of each unit for features of shape (samples, inputs)."""
    arrays = bundle.arrays
    x = (np.asarray(features, dtype=np.float64) - arrays["input_offset"]) / arrays["input_scale"]
    drive = np.tile(arrays["unit_bias"], (x.shape[0], 1))
    weight = np.zeros((x.shape[1], bundle.units))
    np.add.at(weight, (arrays["input_pre"], arrays["input_post"]), arrays["input_weight"])
    bias: Ints = np.rint((drive + x @ weight) * bundle.manifest["bias_scale"]).astype(np.int32)
    return bias


def _bias(bundle: Bundle, file: Path) -> Ints:
    with np.load(file, allow_pickle=False) as inputs:
        if "bias" in inputs:
            bias: Ints = inputs["bias"].astype(np.int32)
        elif "features" in inputs:
            bias = encode(bundle, inputs["features"])
        else:
            raise DamagedBundleError(f"{file}: holds {sorted(inputs)}; give 'features' or 'bias'")
    if bias.ndim != 2 or bias.shape[1] != bundle.units:
        raise DamagedBundleError(f"{file}: bias has shape {bias.shape}; give (samples, {bundle.units})")
    return bias


def _results(bundle: Bundle, states: Mapping[str, Ints]) -> dict[str, Ints]:
    rates = states["s"] / bundle.manifest["registers"]["s_max"]
    populations = bundle.manifest["populations"]
    parts = {
        f"rates_{name}": rates[:, p["offset"] : p["offset"] + p["size"]] for name, p in populations.items()
    }
    return {**states, **parts, "classes": _scores(bundle, rates).argmax(axis=1)}


def _scores(bundle: Bundle, rates: Ints) -> Ints:
    """What the class is read from: the output's rates, or the host's read-out of the settled rates."""
    readout = bundle.manifest["readout"]
    if readout["on"] == "chip":
        return rates[:, readout["offset"] : readout["offset"] + readout["size"]].copy()
    scores: Ints = rates @ bundle.arrays["readout_weight"].T + bundle.arrays["readout_bias"]
    return scores


def _check(bundle: Bundle) -> int:
    golden = bundle.golden
    states = simulate(bundle, golden["bias"], golden["s"].shape[0], ("s", "v"))
    wrong = {name: int(np.count_nonzero(states["trace_" + name] != golden[name])) for name in ("s", "v")}
    for name, count in wrong.items():
        print(f"golden run: {count} mismatches of {golden[name].size} in {name}")
    return 1 if any(wrong.values()) else 0


def _write(file: Path, arrays: Mapping[str, Ints]) -> None:
    aside = file.with_name(file.name + ".part")
    with aside.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]  # numpy types its own flags only
    aside.replace(file)


def _print_step(done: int, steps: int) -> None:
    print(f"step {done} of {steps}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run an exported network as Lava processes.")
    parser.add_argument("bundle", type=Path, help="folder of the bundle")
    parser.add_argument("--inputs", type=Path, help=".npz with 'features' or integer 'bias', by sample")
    parser.add_argument("--out", type=Path, help=".npz to write: s, v, rates of each population, classes")
    parser.add_argument("--steps", type=int, default=0, help="time steps (default: as the golden run)")
    parser.add_argument("--trace", default="", help=f"also write these at every step: {','.join(TRACED)}")
    parser.add_argument("--check", action="store_true", help="run the golden inputs and compare every step")
    parser.add_argument("--parent", type=int, default=0, help="end when this process, the parent, is gone")
    options = parser.parse_args()
    if not options.check and not (options.inputs and options.out):
        parser.error("give --inputs and --out, or --check")
    return options


if __name__ == "__main__":
    sys.exit(main())
