"""One run of a quantized network in Lava: a bundle, the private environment, and what comes back."""

import os
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.chip.lif.quantize import LifBias, QuantizedLif
from mep_neuro.chip.quantize import Quantized
from mep_neuro.converters.to_lava.bundle import Content, QuantizedNetwork, write_bundle
from mep_neuro.converters.to_lava.bundle_lif import lif_content
from mep_neuro.converters.to_lava.bundle_sigma_delta import sigma_delta_content
from mep_neuro.converters.to_lava.environment import require
from mep_neuro.converters.to_lava.launch import clean_environment, launch
from mep_neuro.errors import BackendFailedError
from mep_neuro.simulation.recording import RunOptions

Ints = NDArray[np.int32]
Progress = Callable[[int, int], None]
ADVICE = "give fewer samples or a longer time limit, or see the cause in the lines below"
SOCKET_ROOM = 40  # longest folder for temporary files that leaves room for a socket's name, of 107 bytes
_STEP = re.compile(r"step (\d+) of (\d+)")


@dataclass(frozen=True, eq=False)
class LavaTrace:
    """Registers after every step, shape (steps, samples, units) each."""

    s: Ints
    v: Ints
    sigma: Ints
    messages: Ints


@dataclass(frozen=True, eq=False)
class LavaCounts:
    """Spikes in each window, and registers one step after it, shape (windows, samples, neurons) each."""

    counts: Ints
    u: Ints
    v: Ints


def run_session(
    quantized: Quantized,
    bias: Ints,
    steps: int,
    *,
    time_limit: float,
    populations: str = "merged",
    progress: Progress | None = None,
) -> LavaTrace:
    """Run every sample from rest in real Lava processes, in the private environment.

    Args:
        quantized: The network.
        bias: Constant currents, shape (samples, units).
        steps: Time steps.
        time_limit: Seconds after which Lava is stopped.
        populations: 'merged' into one process, or 'separate'.
        progress: Called with (steps done, steps).

    Raises:
        BackendMissingError: Lava's environment is not installed.
        BackendFailedError: Lava failed, or took too long.
    """
    content = sigma_delta_content(quantized, bias[:1], 1)
    options = ["--steps", str(steps), "--trace", "s,v,sigma,messages", "--populations", populations]
    with _session(quantized, content, {"bias": bias}, options, time_limit, progress) as out:
        return LavaTrace(*(out[f"trace_{name}"] for name in ("s", "v", "sigma", "messages")))


def run_lif_session(
    quantized: QuantizedLif,
    bias: LifBias,
    *,
    time_limit: float,
    populations: str = "merged",
    progress: Progress | None = None,
) -> LavaCounts:
    """Count the spikes of every sample in Lava's stock LIF processes, in the private environment.

    Args:
        quantized: The network.
        bias: Constant currents, shape (samples, neurons).
        time_limit: Seconds after which Lava is stopped.
        populations: 'merged' into one process, or 'separate'.
        progress: Called with (steps done, steps).

    Raises:
        BackendMissingError: Lava's environment is not installed.
        BackendFailedError: Lava failed, or took too long.
    """
    content = lif_content(quantized, bias.of(slice(0, 1)))
    inputs = {"mantissa": bias.mantissa, "exponent": bias.exponent}
    with _session(quantized, content, inputs, ["--populations", populations], time_limit, progress) as out:
        return LavaCounts(out["counts"], out["u"], out["v"])


def part_of_progress(options: RunOptions, samples: int, rows: slice) -> Callable[[int, int], None] | None:
    """Steps of one session as a part of all: (sample steps done, sample steps)."""
    tell = options.progress
    if tell is None:
        return None
    here = rows.stop - rows.start
    return lambda done, steps: tell(rows.start * steps + here * done, samples * steps)


@contextmanager
def _session(
    quantized: QuantizedNetwork,
    content: Content,
    inputs: Mapping[str, Ints],
    options: list[str],
    time_limit: float,
    progress: Progress | None,
) -> Iterator[Any]:
    """Write a bundle, run it, and give what it wrote."""
    environment = require()
    if time_limit <= 0:
        raise BackendFailedError("lava: the time limit was over before it could start; give a longer one")
    with tempfile.TemporaryDirectory(prefix="mep-neuro-lava-", dir=_short_folder()) as name:
        folder = Path(name)
        write_bundle(quantized, content, folder / "bundle")
        np.savez(folder / "inputs.npz", allow_pickle=False, **inputs)
        command = [str(environment.python), str(folder / "bundle" / "run_bundle.py"), str(folder / "bundle")]
        command += ["--inputs", str(folder / "inputs.npz"), "--out", str(folder / "out.npz")]
        command += ["--parent", str(os.getpid()), *options]
        launch(
            command,
            name="lava",
            advice=ADVICE,
            log=folder / "log.txt",
            time_limit=time_limit,
            environment=clean_environment(TMPDIR=name, OMP_NUM_THREADS="1"),
            on_line=None if progress is None else _reporter(progress),
        )
        try:
            with np.load(folder / "out.npz", allow_pickle=False) as out:
                yield out
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise BackendFailedError(f"lava: it ended without a result ({error}); {ADVICE}") from error


def _short_folder() -> str | None:
    """Where temporary folders go: the usual place, or /tmp where Lava could make no socket there."""
    return "/tmp" if len(os.fsencode(tempfile.gettempdir())) > SOCKET_ROOM else None


def _reporter(progress: Progress) -> Callable[[str], None]:
    def report(line: str) -> None:
        match = _STEP.fullmatch(line)
        if match is not None:
            progress(int(match[1]), int(match[2]))

    return report
