"""One standalone program: its folder, its build, its runs."""

import hashlib
import itertools
import json
import os
import platform
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.home import home
from mep_neuro.converters.to_brian2.objects import preferences
from mep_neuro.converters.to_brian2.standalone.compiler import compile_project, flags, missing
from mep_neuro.converters.to_brian2.standalone.device import active, new_device
from mep_neuro.errors import BackendFailedError, BackendMissingError

STAMP = "mep_neuro.json"  # written last: a folder without it is no program, or one whose build did not end
_RUNS = itertools.count()


@dataclass(frozen=True)
class Built:
    """A compiled program.

    Attributes:
        folder: Where it lies.
        digest: Hash of its code.
        note: How it came about, in a sentence for the user.
    """

    folder: Path
    digest: str
    note: str


class Program:
    """A device, and the program it writes; not built until the first run."""

    def __init__(self, brian2: Any, directory: str | os.PathLike[str] | None) -> None:
        """Prepare a device; nothing is written yet.

        Args:
            brian2: The module.
            directory: Where the program lies; a folder of the user's cache unless given.
        """
        self.device = new_device()
        self.built: Built | None = None
        self._brian2, self._directory = brian2, None if directory is None else Path(directory)
        self._told: dict[str, NDArray[Any]] = {}

    @contextmanager
    def making(self) -> Iterator[None]:
        """Brian2 objects that are made inside belong to this program."""
        changed = flags(self._brian2) | {"core.default_float_dtype": np.float64}
        with active(self.device), preferences(self._brian2, changed):
            yield

    def build(self, network: Any, report: Any = None) -> Built:
        """Write and compile the program, or find it compiled.

        Raises:
            BackendMissingError: There is no compiler.
            BackendFailedError: The compiler failed, or a folder of the user holds something else.
        """
        if self.built is None:
            with self.making():
                network.run(1 * self._brian2.second, report=report, namespace={})
                self.built = self._build()
        return self.built

    def run(self, values: Mapping[str, NDArray[Any]], duration: float, *, output: bool = False) -> None:
        """Start the program.

        Args:
            values: Numbers of variables, by 'object.variable'; flat arrays, dtype as the variable's.
            duration: Seconds of the simulation.
            output: Whether the program's own output is shown.

        Raises:
            BackendFailedError: The program failed.
        """
        assert self.built is not None
        place = Path(self.device.results_dir)
        place.mkdir(parents=True, exist_ok=True)
        arguments = [repr(float(duration))]
        for name, value in values.items():
            arguments.append(f"{name}={self._tell(place, name, value)}")
        for variable in self.device.arrays:  # a monitor of a run of another length has another size
            if isinstance(variable.size, tuple):
                variable.size = (0, *variable.size[1:])
        with active(self.device):
            try:
                self.device.run(
                    str(self.built.folder),
                    os.path.relpath(place, self.built.folder),
                    with_output=output,
                    run_args=arguments,
                )
            except RuntimeError as error:
                raise BackendFailedError(
                    f"brian2: the standalone program in {self.built.folder} failed ({error}); remove that "
                    "folder to build it again"
                ) from error

    def _tell(self, place: Path, name: str, value: NDArray[Any]) -> str:
        """A number as text, an array as the file it is in; a file is written again only where it changes."""
        if value.size == 1:
            return repr(value.item())
        file = place / f"told_{name}.bin"
        if name not in self._told or not np.array_equal(self._told[name], value):
            value.tofile(file)
            self._told[name] = value
        return str(file)

    def _build(self) -> Built:
        lacking = missing(self._brian2)
        if lacking:
            raise BackendMissingError(
                f"brian2: target 'cpp_standalone' needs a C++ compiler, and {lacking} is not found; install "
                "it (Debian: apt install g++ make), or write target 'numpy'"
            )
        root = home() / "brian2" if self._directory is None else self._directory.absolute().parent
        root.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix="building-", dir=root))
        try:
            self.device.build(directory=str(draft), compile=False, run=False, with_output=False)
            digest = _digest(draft, self._brian2.__version__)
            built = self._place(draft, digest, root)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        results = built.folder / "runs" / f"{os.getpid()}-{next(_RUNS)}"
        self.device.project_dir, self.device.results_dir = str(built.folder), os.path.join(results, "")
        weakref.finalize(self, shutil.rmtree, results, ignore_errors=True)
        return built

    def _place(self, draft: Path, digest: str, root: Path) -> Built:
        folder = root / digest[:24] if self._directory is None else self._directory.absolute()
        found = _stamped(folder)
        if found == digest:
            return Built(folder, digest, f"the program was built before ({folder})")
        note = f"built the program in {folder}"
        if found is not None:
            note = f"{folder} held the program of another network or version: built again"
        elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise BackendFailedError(
                f"brian2: {folder} holds something else than a program of this converter, or one whose "
                "build did not end; remove it, or give another directory"
            )
        compile_project(draft, self._brian2)
        (draft / STAMP).write_text(json.dumps({"digest": digest, "brian2": self._brian2.__version__}))
        if folder.exists():
            shutil.rmtree(folder)
        try:
            draft.rename(folder)
        except OSError:
            if _stamped(folder) != digest:  # or another process has built the same meanwhile
                raise
        return Built(folder, digest, note)


def _stamped(folder: Path) -> str | None:
    """The hash of the program in a folder; None where there is none."""
    try:
        digest = json.loads((folder / STAMP).read_text())["digest"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return digest if isinstance(digest, str) and (folder / "main").exists() else None


def _digest(draft: Path, version: str) -> str:
    """Hash of the code, its constants and the machine it is compiled for; brianlib is the version's."""
    total = hashlib.sha256(f"{version} {platform.node()} {platform.machine()}".encode())
    for file in sorted(draft.rglob("*")):
        name = file.relative_to(draft).as_posix()
        if file.is_file() and not name.startswith("brianlib/"):
            total.update(f"{name}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return total.hexdigest()
