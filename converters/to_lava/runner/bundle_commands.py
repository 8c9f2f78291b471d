"""What run_bundle.py does once every byte beside it is checked."""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import lif_network
import numpy as np
import sigma_delta_network
from bundle_file import Bundle, DamagedBundleError, load_bundle
from encoding import bias_of, lif_bias_of, results
from lava_settings import SIMULATION, TAGS
from parts import LAYOUTS

Ints = np.ndarray[Any, Any]


def run() -> int:
    """Read the command line, run, write; 0 done, 1 the golden run differs, 2 the user's mistake."""
    options = _arguments()
    try:
        bundle = load_bundle(options.bundle)
        kind: type[_SigmaDelta] | type[_Lif] = _SigmaDelta if _is_sigma_delta(bundle) else _Lif
        job = kind(bundle, options)
        if options.check:
            return _tell(job.check())
        inputs = _inputs(options.inputs)
        _write(options.out, job.run(inputs, _print_step))
    except (DamagedBundleError, LookupError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


class _SigmaDelta:
    """What the command line can ask of EPSigmaDelta neurons."""

    def __init__(self, bundle: Bundle, options: argparse.Namespace) -> None:
        if options.check and options.precision == "float":
            raise ValueError("--check compares integers; leave --precision float out")
        self.bundle, self.options = bundle, options
        self.how = {
            "layout": options.populations or bundle.manifest["layout"],
            "precision": options.precision,
            "run_config": options.run_config,
            "limit": options.time_limit,
        }

    def run(self, inputs: Mapping[str, Ints], progress: Callable[[int, int], None]) -> dict[str, Ints]:
        """The states at the end, and at every step where asked for."""
        bundle, options = self.bundle, self.options
        bias = inputs["bias"].astype(np.int32) if "bias" in inputs else bias_of(bundle, inputs["features"])
        _check_shape(bias, bundle)
        steps = options.steps or int(bundle.manifest["golden"]["steps"])
        trace = tuple(filter(None, options.trace.split(",")))
        states = sigma_delta_network.simulate(
            bundle, bias, steps, trace, progress, options.parent, **self.how
        )
        rates = states["s"] / bundle.manifest["registers"]["s_max"]
        found: dict[str, Ints] = results(bundle, states, rates)
        return found

    def check(self) -> dict[str, tuple[int, int]]:
        """Mismatches and comparisons of each register of the golden run."""
        golden = self.bundle.golden
        states = sigma_delta_network.simulate(
            self.bundle, golden["bias"], golden["s"].shape[0], ("s", "v"), **self.how
        )
        return {name: _compared(states["trace_" + name], golden[name]) for name in ("s", "v")}


class _Lif:
    """What the command line can ask of stock LIF neurons."""

    def __init__(self, bundle: Bundle, options: argparse.Namespace) -> None:
        if options.precision != "fixed" or options.trace:
            raise ValueError(
                "a bundle of LIF neurons has neither --precision float nor --trace; leave them out"
            )
        self.bundle, self.options = bundle, options
        layout = options.populations or bundle.manifest["layout"]
        self.how = {"layout": layout, "run_config": options.run_config, "limit": options.time_limit}

    def run(self, inputs: Mapping[str, Ints], progress: Callable[[int, int], None]) -> dict[str, Ints]:
        """Counts and registers after each window: the warm-up, and two halves of what counts."""
        bundle, code = self.bundle, self.bundle.manifest["code"]
        if "mantissa" in inputs:
            mantissa, exponent = inputs["mantissa"], inputs["exponent"]
        else:
            mantissa, exponent = lif_bias_of(bundle, inputs["features"])
        _check_shape(mantissa, bundle)
        counted = self.options.steps or code["steps"]
        windows = [code["warm_up"], counted - counted // 2, counted // 2]
        states = lif_network.simulate(
            bundle, mantissa, exponent, windows, progress, self.options.parent, **self.how
        )
        spikes = states["counts"][1:].sum(axis=0)
        if code["clamp"]:
            half = bundle.units // 2
            spikes = spikes[:, :half] - spikes[:, half:]
        found: dict[str, Ints] = results(bundle, states, spikes * (code["interval"] / counted))
        return found

    def check(self) -> dict[str, tuple[int, int]]:
        """Mismatches and comparisons of each register of the golden run, read after every step."""
        golden = self.bundle.golden
        windows = [1] * golden["u"].shape[0]
        states = lif_network.simulate(
            self.bundle, golden["mantissa"], golden["exponent"], windows, **self.how
        )
        return {name: _compared(states[name], golden[name]) for name in ("u", "v", "counts")}


def _is_sigma_delta(bundle: Bundle) -> bool:
    return bool(bundle.manifest["neuron"]["process"] == "EPSigmaDelta")


def _compared(own: Ints, golden: Ints) -> tuple[int, int]:
    return int(np.count_nonzero(own != golden)), golden.size


def _tell(compared: Mapping[str, tuple[int, int]]) -> int:
    for name, (wrong, size) in compared.items():
        print(f"golden run: {wrong} mismatches of {size} in {name}")
    return 1 if any(wrong for wrong, _ in compared.values()) else 0


def _inputs(file: Path) -> dict[str, Ints]:
    with np.load(file, allow_pickle=False) as stored:
        inputs = {name: stored[name] for name in stored.files}
    if not inputs.keys() & {"bias", "features", "mantissa"}:
        raise DamagedBundleError(f"{file}: holds {sorted(inputs)}; give 'features' or 'bias'")
    return inputs


def _check_shape(bias: Ints, bundle: Bundle) -> None:
    if bias.ndim != 2 or bias.shape[1] != bundle.units:
        raise DamagedBundleError(f"inputs: bias has shape {bias.shape}; give (samples, {bundle.units})")


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
    parser.add_argument(
        "--out", type=Path, help=".npz to write: registers, rates of each population, classes"
    )
    parser.add_argument("--steps", type=int, default=0, help="time steps (default: as the manifest says)")
    traced = ",".join(sigma_delta_network.TRACED)
    parser.add_argument("--trace", default="", help=f"EPSigmaDelta: also write these at every step: {traced}")
    parser.add_argument("--check", action="store_true", help="run the golden inputs and compare every step")
    parser.add_argument("--populations", choices=LAYOUTS, help="one process, or one for each population")
    parser.add_argument("--precision", choices=tuple(TAGS), default="fixed", help="EPSigmaDelta's arithmetic")
    parser.add_argument("--run-config", default=SIMULATION, help="Lava's run configuration, by name")
    parser.add_argument("--time-limit", type=float, default=0.0, help="end the run after so many seconds")
    parser.add_argument("--parent", type=int, default=0, help="end when this process, the parent, is gone")
    options = parser.parse_args()
    if not options.check and not (options.inputs and options.out):
        parser.error("give --inputs and --out, or --check")
    return options
