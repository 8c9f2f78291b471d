"""What goes wrong with a Lava run ends in a readable error, and leaves no process and no shared memory.

Cases: the bundle runs with the imports of torch and of this package blocked; one byte changed in each file
of a bundle is refused, with the file named, before Lava starts; a process model that raises, one that is
killed and one that hangs end within the limit. Readable: an error that names its cause, of the form
`where: what; what to do`.

Usage: python tests/benchmarks/loihi_faults.py [--json] [--full]      --full: 20 repeats of the failing models
"""

import argparse
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from loihi_networks import layered

from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import quantize
from mep_neuro.converters.to_lava import bundle
from mep_neuro.converters.to_lava.backend import convert
from mep_neuro.converters.to_lava.environment import require
from mep_neuro.converters.to_lava.launch import clean_environment
from mep_neuro.converters.to_lava.session import run_session
from mep_neuro.errors import BackendFailedError

HANG_LIMIT, SLACK = 8.0, 12.0  # seconds; slack for the end of the group on a busy machine
RUN_SPK = '        """One time step."""\n'
MODELS = {
    "raises": ("raise ValueError('planted')", r"ended with code 1; (?s:.*)ValueError: planted"),
    "is killed": ("import os; os.kill(os.getpid(), 9)", r"(?s:.*)ended before the run did"),
    "hangs": ("import time; time.sleep(600)", r"no answer within 8 s; give fewer samples or a longer time"),
}
BLOCKED = (
    "import runpy, sys\n"
    "for name in ('torch', 'mep_neuro', 'brian2'): sys.modules[name] = None\n"
    "sys.argv = sys.argv[1:]\n"
    "sys.path.insert(0, sys.argv[1])\n"
    "runpy.run_path(sys.argv[0], run_name='__main__')\n"
)


class Faults:
    """Counts cases, readable ends and what was left behind."""

    def __init__(self) -> None:
        self.cases: dict[str, int] = {}
        self.unreadable: list[str] = []

    def add(self, kind: str, readable: bool, text: str = "") -> None:
        self.cases[kind] = self.cases.get(kind, 0) + 1
        if not readable:
            self.unreadable.append(f"{kind}: {text[-300:]}")


def shared_memory() -> set[str]:
    """Shared memory that no living process has mapped: a run of Lava beside this one is not ours to count."""
    folder = Path("/dev/shm")
    names = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
    mapped = ""
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            mapped += maps.read_text(errors="replace")
        except OSError:
            continue  # it ended while we looked, or is another user's
    return {name for name in names if f"/dev/shm/{name}" not in mapped}


def processes(marker: str) -> list[str]:
    """Command lines of living processes that name a folder."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [line for line in lines if marker in line]


def in_lava(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(require().python), *command],
        capture_output=True,
        text=True,
        timeout=300,
        env=clean_environment(TMPDIR=str(folder), OMP_NUM_THREADS="1"),
    )


def without_torch(faults: Faults, folder: Path) -> None:
    for neuron in ("sigma_delta", "lif"):
        path = folder / neuron
        convert(layered(1, (5, 6, 3)), path, neuron=neuron)
        done = in_lava(["-c", BLOCKED, str(path / "run_bundle.py"), str(path), "--check"], folder)
        good = done.returncode == 0 and "golden run: 0 mismatches of" in done.stdout
        faults.add("runs with torch's import blocked", good, done.stdout + done.stderr)


def changed_bytes(faults: Faults, folder: Path) -> None:
    path = folder / "sigma_delta"
    for file in sorted(path.iterdir()):
        if file.is_dir():
            continue
        copy = folder / "changed"
        shutil.copytree(path, copy, ignore=shutil.ignore_patterns("__pycache__"))
        content = bytearray((copy / file.name).read_bytes())
        content[len(content) // 2] ^= 1
        (copy / file.name).write_bytes(bytes(content))
        done = in_lava([str(copy / "run_bundle.py"), str(copy), "--check"], folder)
        named = file.name in done.stderr and not done.stdout
        faults.add("a changed byte is refused", done.returncode != 0 and named, f"{file.name}: {done.stderr}")
        shutil.rmtree(copy)


def failing_models(faults: Faults, folder: Path, repeats: int) -> None:
    q = quantize(layered(1, (5, 6, 3)), read_profile("loihi2"))
    bias = np.zeros((1, q.size), np.int32)
    original = bundle.RUNNER
    for name, (code, message) in MODELS.items():
        runner = folder / "runner"
        shutil.copytree(original, runner)
        model = runner / "ep_sigma_delta.py"
        planted = model.read_text().replace(RUN_SPK, RUN_SPK + f"        if self.time_step == 5: {code}\n")
        assert planted != model.read_text()
        model.write_text(planted)
        bundle.RUNNER = runner
        for _ in range(repeats):
            limit, began, text = (HANG_LIMIT if name == "hangs" else 120.0), perf_counter(), ""
            try:
                run_session(q, bias, 20, time_limit=limit)
            except BackendFailedError as error:
                text = str(error)
            in_time = perf_counter() - began < limit + SLACK
            readable = re.match(r"lava: ", text) is not None and re.search(message, text) is not None
            faults.add(f"a model that {name}", readable and in_time, text)
        bundle.RUNNER = original
        shutil.rmtree(runner)


def main() -> None:
    """Run every case, and print the table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--full", action="store_true", help="20 repeats of each failing model")
    options = parser.parse_args()
    faults, before = Faults(), shared_memory()
    with tempfile.TemporaryDirectory(prefix="mep-faults-", dir="/tmp") as name:
        tempfile.tempdir = name  # sessions make their folders in it: what is left there is counted
        folder = Path(name)
        without_torch(faults, folder)
        changed_bytes(faults, folder)
        failing_models(faults, folder, 20 if options.full else 2)
        tempfile.tempdir = None
        shutil.rmtree(folder / "sigma_delta")
        shutil.rmtree(folder / "lif")
        left = sorted(file.name for file in folder.iterdir() if file.name.startswith("mep-neuro"))
        orphans: dict[str, Any] = {
            "processes": processes(name),
            "shared_memory": sorted(shared_memory() - before),
            "folders": left,
        }
    total = sum(faults.cases.values())
    found = {
        "cases": total,
        "readable": total - len(faults.unreadable),
        "orphans": sum(len(each) for each in orphans.values()),
        "cases_by_kind": faults.cases,
        "unreadable": faults.unreadable,
        "left": orphans,
    }
    print(json.dumps(found) if options.json else json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
