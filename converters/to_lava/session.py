"""One run of a quantized network in Lava: a bundle, the private environment, and what comes back."""

import os
import re
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mep_neuro.chip.quantize import Quantized
from mep_neuro.converters.to_lava.bundle import write_bundle
from mep_neuro.converters.to_lava.environment import require
from mep_neuro.converters.to_lava.launch import clean_environment, launch
from mep_neuro.errors import BackendFailedError

Ints = NDArray[np.int32]
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


def run_session(
    quantized: Quantized,
    bias: Ints,
    steps: int,
    *,
    time_limit: float,
    progress: Callable[[int, int], None] | None = None,
) -> LavaTrace:
    """Run every sample from rest in real Lava processes, in the private environment.

    Args:
        quantized: The network.
        bias: Constant currents, shape (samples, units).
        steps: Time steps.
        time_limit: Seconds after which Lava is stopped.
        progress: Called with (steps done, steps).

    Raises:
        BackendMissingError: Lava's environment is not installed.
        BackendFailedError: Lava failed, or took too long.
    """
    environment = require()
    with tempfile.TemporaryDirectory(prefix="mep-neuro-lava-", dir=_short_folder()) as name:
        folder = Path(name)
        write_bundle(quantized, folder / "bundle", bias[:1], 1)
        np.savez(folder / "inputs.npz", bias=bias)
        command = [str(environment.python), str(folder / "bundle" / "run_bundle.py"), str(folder / "bundle")]
        command += ["--inputs", str(folder / "inputs.npz"), "--out", str(folder / "out.npz")]
        command += ["--steps", str(steps), "--trace", "s,v,sigma,messages", "--parent", str(os.getpid())]
        launch(
            command,
            name="lava",
            advice=ADVICE,
            log=folder / "log.txt",
            time_limit=time_limit,
            environment=clean_environment(TMPDIR=name, OMP_NUM_THREADS="1"),
            on_line=None if progress is None else _reporter(progress),
        )
        return _read(folder / "out.npz")


def _short_folder() -> str | None:
    """Where temporary folders go: the usual place, or /tmp where Lava could make no socket there."""
    return "/tmp" if len(os.fsencode(tempfile.gettempdir())) > SOCKET_ROOM else None


def _reporter(progress: Callable[[int, int], None]) -> Callable[[str], None]:
    def report(line: str) -> None:
        match = _STEP.fullmatch(line)
        if match is not None:
            progress(int(match[1]), int(match[2]))

    return report


def _read(file: Path) -> LavaTrace:
    try:
        with np.load(file, allow_pickle=False) as out:
            return LavaTrace(*(out[f"trace_{name}"] for name in ("s", "v", "sigma", "messages")))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise BackendFailedError(f"lava: it ended without a result ({error}); {ADVICE}") from error
