"""Write the folder of an exported network, and run its script once before it is put in place."""

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.backend import convert
from mep_neuro.converters.to_brian2.converted import Converted
from mep_neuro.converters.to_brian2.export.arrays import same_steps, weights
from mep_neuro.converters.to_brian2.export.script import Facts, script
from mep_neuro.converters.to_brian2.export.template import PRINTED
from mep_neuro.converters.to_brian2.objects import import_brian2
from mep_neuro.equilibrium.backend import run as settle_on_torch
from mep_neuro.errors import BackendFailedError, BundleError, StimulusError
from mep_neuro.simulation.conversion import ConversionReport
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.override import network_with_neuron
from mep_neuro.simulation.recording import Recording, RunOptions
from mep_neuro.simulation.spiking import is_spiking

Array = NDArray[np.float64]

SCRIPT, WEIGHTS, GOLDEN = "network.py", "weights.npz", "golden.npz"
GOLDEN_SAMPLES = 3
SETTLED = 1e-10
"""Residual at which a stored presentation of rate units ends."""
MOST_STEPS = 20_000
NEARER = ("sif", "annealed_sigma_delta")
"""Models whose read-outs tend to the fixed point; the others' have a floor (docs/spiking.md)."""
ANOTHER = 1e-4
"""Distance at which two fixed points are not one: a residual of `SETTLED` is off by some 1e-9."""
TIME_LIMIT = 300.0  # seconds; a run takes three, and longer for large networks
TOLERANCES = {
    False: "1e-12  # sums in another order differ by some 1e-15",
    True: "1e-12  # spike for spike the same; only the division of the read-out is rounded",
}


@dataclass(frozen=True, eq=False)
class Exported:
    """A network that was exported.

    Attributes:
        path: The folder.
        report: What it keeps of the network.
        output: What its script printed when it ran: how far from the reference its rates are.
    """

    path: Path
    report: ConversionReport
    output: str


def export(
    network: Network,
    path: Path | str,
    *,
    features: NDArray[np.floating] | None = None,
    neuron: str | None = None,
) -> Exported:
    """Write a folder that runs with Brian2 and numpy alone: a script, its weights, and a golden run.

    Args:
        network: The network.
        path: Folder to make. What is there is never replaced, since a script is there to be edited.
        features: Samples of the golden run, shape (samples, n_input), at most three are used; random
            numbers between 0 and 1 without.
        neuron: Replaces the neuron model: 'rate', 'sif', ...

    Raises:
        UnsupportedError: The network has what Brian2 cannot express; the message names it.
        TopologyError: The neuron model is unknown, or cannot express the network.
        StimulusError: The features do not fit.
        BundleError: Something is in the way, or the folder cannot be written.
        BackendMissingError: Brian2 is not installed.
        BackendFailedError: The script that was written failed, or missed the reference's rates.
    """
    path, brian2 = Path(path), import_brian2()
    if path.exists() and (path.is_file() or any(path.iterdir())):
        raise BundleError(f"{path}: exists, and may have been edited; give a new folder")
    network = network if neuron is None else network_with_neuron(network, neuron)
    if features is None:
        features = np.random.default_rng(0).random((GOLDEN_SAMPLES, network.input.size))
    shown = np.asarray(features[:GOLDEN_SAMPLES], dtype=np.float64)
    if len(shown) == 0:
        raise StimulusError("brian2: 0 samples; give at least 1")
    model = convert(network, samples=len(shown), target="numpy")
    steps, unsettled = _steps(model, shown)
    fixed = _fixed_point(network, shown)
    golden = {"features": shown}
    golden |= {f"same_steps.{name}": r for name, r in same_steps(network, shown, steps).items()}
    golden |= {f"fixed_point.{name}": r for name, r in fixed.rates.items()}
    notes = _doubts(model, unsettled, fixed, golden)
    report = _report(model, notes)
    facts = Facts(
        report=report,
        samples=len(shown),
        steps=steps,
        tolerance=TOLERANCES[is_spiking(network)],
        brian2=str(brian2.__version__),
        numpy=np.__version__,
        written_by=f"mep-neuro {version('mep-neuro')}",
    )
    output = _put(path, script(network, facts), weights(network), golden)
    return Exported(path, report, output)


def _steps(model: Converted, features: Array) -> tuple[int, bool]:
    """Steps of a presentation, and whether it may end before a sample of rate units has settled."""
    network: Network = model.source
    spiking = is_spiking(network)
    recording = model.run(features, None if spiking else MOST_STEPS * model.dt, tolerance=SETTLED)
    if spiking:
        return network.spec.equilibrium.slots, False
    if not recording.settled.all():
        return network.spec.equilibrium.max_steps, True
    return int(recording.steps.max()), False


def _fixed_point(network: Network, features: Array) -> Recording:
    """The rate network of the same weights, settled by the torch reference."""
    options = RunOptions(tolerance=SETTLED, max_steps=MOST_STEPS)
    return settle_on_torch(network_with_neuron(network, "rate"), features, options)


def _doubts(
    model: Converted, unsettled: bool, fixed: Recording, golden: Mapping[str, Array]
) -> Iterator[str]:
    """Why the rates are not the fixed point of the reference."""
    network: Network = model.source
    if is_spiking(network):
        slots, neuron = network.spec.equilibrium.slots, network.dynamic[0].model
        more = "with more equilibrium.slots they come nearer" if neuron in NEARER else "they have a floor"
        yield f"rates: read from {slots} slots of {neuron} units; {more}"
    if unsettled:
        yield f"rates: not settled after {MOST_STEPS} steps; the script runs equilibrium.max_steps of them"
    if not fixed.settled.all():
        yield f"'the fixed point': of {np.count_nonzero(~fixed.settled)} samples the reference found none"
    elif not is_spiking(network) and not unsettled and _apart(network, golden) > ANOTHER:
        yield "'the fixed point': the dynamics end in another one of the network than the reference's solver"


def _apart(network: Network, golden: Mapping[str, Array]) -> float:
    names = [p.name for p in network.dynamic]
    return max(float(np.abs(golden[f"same_steps.{n}"] - golden[f"fixed_point.{n}"]).max()) for n in names)


def _report(model: Converted, notes: Iterable[str]) -> ConversionReport:
    """What the folder keeps of the network."""
    dropped = (
        *model.report.dropped,
        "learning, consolidation, nudged phases: mep-neuro train --on brian2 has them",
    )
    approximated = (*model.report.approximated, *notes)
    return ConversionReport("brian2", tuple(model.report.exact), approximated, dropped)


def _put(path: Path, text: str, numbers: dict[str, Array], golden: dict[str, Array]) -> str:
    """Write everything aside, run the script there, and rename."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        np.savez_compressed(aside / WEIGHTS, **numbers)  # type: ignore[arg-type]  # numpy types ** as bool
        np.savez_compressed(aside / GOLDEN, **golden)  # type: ignore[arg-type]  # as above
        (aside / SCRIPT).write_text(text, encoding="utf-8")
        output = _run(aside)
        printed = textwrap.indent(output.rstrip(), "    ")
        (aside / SCRIPT).write_text(text.replace(PRINTED, printed), encoding="utf-8")
        shutil.rmtree(aside / "__pycache__", ignore_errors=True)
        if path.exists():
            path.rmdir()
        aside.rename(path)
    except OSError as error:
        raise BundleError(f"{path}: cannot be written: {error.strerror}; give a writable folder") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return output


def _run(folder: Path) -> str:
    """What the script prints, in a process of its own that knows nothing of mep-neuro.

    Raises:
        BackendFailedError: It fails, takes too long, or finds other rates than the reference's.
    """
    command = [sys.executable, SCRIPT]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=TIME_LIMIT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BackendFailedError(
            f"brian2: the exported script took longer than {TIME_LIMIT:g} s; give fewer samples"
        ) from error
    if done.returncode:
        last = (done.stdout + done.stderr).strip().splitlines()[-1:] or ["no output"]
        raise BackendFailedError(f"brian2: the exported script failed: {last[0]}; nothing was written")
    return done.stdout
