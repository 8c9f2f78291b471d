"""Lava's private environment: found, made and checked.

lava-nc 0.10.0 is the last release; it asks for Python 3.10 and runs on 3.11 too, with numpy 1
(shared design, 'Dependencies'). Lava is never imported into this process.
"""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mep_neuro.converters.home import home
from mep_neuro.converters.to_lava.launch import clean_environment, launch
from mep_neuro.errors import BackendFailedError, BackendMissingError

LAVA = "0.10.0"
PYTHONS = ("3.11", "3.10")
NEEDS = ("numpy<2", "scipy", "networkx<=2.8.7", "asteval<0.10", "scikit-learn")
RUNNER = Path(__file__).parent / "runner"
READY = "ready.json"  # written last: a folder without it is an installation that did not end
STEP_LIMIT = 1800.0  # seconds for one call of pip; 200 MB over a slow line
MEND = "mep-neuro backend install lava"


@dataclass(frozen=True)
class LavaEnvironment:
    """An environment that Lava was imported in.

    Attributes:
        folder: The environment.
        python: Its interpreter.
        version: Version of lava-nc.
        python_version: Version of the interpreter.
    """

    folder: Path
    python: Path
    version: str
    python_version: str


def find() -> LavaEnvironment | None:
    """The installed environment, or None; fast, as nothing is started."""
    for version in PYTHONS:
        found = _read(_folder(version))
        if found is not None:
            return found
    return None


def require() -> LavaEnvironment:
    """The installed environment.

    Raises:
        BackendMissingError: There is none.
    """
    found = find()
    if found is None:
        raise BackendMissingError(f"lava: its private environment is not installed; run: {MEND}")
    return found


def describe() -> str:
    """One line for a user: the version and where it is, or what to run."""
    found = find()
    if found is None:
        return f"not installed; run: {MEND}"
    return f"lava-nc {found.version} on Python {found.python_version} in {found.folder}"


def install(progress: Callable[[str], None] | None = None) -> LavaEnvironment:
    """Make the environment, unless it is there and works.

    Args:
        progress: Called with a sentence when a step begins.

    Raises:
        BackendMissingError: There is no Python 3.10 or 3.11 to make it with.
        BackendFailedError: A step failed, or another installation is under way.
    """
    tell = progress or (lambda sentence: None)
    with _locked():
        found = find()
        if found is not None and _imports_lava(found.python):
            return found
        base, version = find_python()
        folder = _folder(version)
        shutil.rmtree(folder, ignore_errors=True)
        log = home() / "lava-install.log"
        for sentence, command in _steps(base, folder):
            tell(sentence)
            launch(
                command,
                name=f"backend install lava: {sentence}",
                advice=f"mend the cause and run again: {MEND} (its output: {log})",
                log=log,
                time_limit=STEP_LIMIT,
                environment=clean_environment(),
            )
        return _mark_ready(folder)


def _steps(base: str, folder: Path) -> list[tuple[str, list[str]]]:
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--no-input", "--progress-bar", "off"]
    lava = ["--no-deps", "--ignore-requires-python", f"lava-nc=={LAVA}"]
    return [
        ("make a virtual environment", [base, "-m", "venv", str(folder)]),
        ("install what Lava needs", [*pip, *NEEDS]),
        (f"install lava-nc {LAVA}", [*pip, *lava]),
        ("import Lava", _import_command(python)),
    ]


def _import_command(python: str) -> list[str]:
    modules = "ep_sigma_delta, lava.proc.sparse.models"
    return [python, "-c", f"import sys; sys.path.insert(0, {str(RUNNER)!r}); import {modules}"]


def _imports_lava(python: Path) -> bool:
    return _output(_import_command(str(python)), 120.0) is not None


def _mark_ready(folder: Path) -> LavaEnvironment:
    code = "import platform; print(platform.python_version())"
    version = (_output([str(folder / "bin" / "python"), "-c", code], 60.0) or "").strip()
    content = {"lava": LAVA, "python": version, "made": time.strftime("%Y-%m-%d %H:%M:%S")}
    aside = folder / (READY + ".part")
    aside.write_text(json.dumps(content) + "\n")
    aside.replace(folder / READY)
    found = _read(folder)
    if found is None:
        raise BackendFailedError(f"{folder}: disappeared while it was made; run again: {MEND}")
    return found


def _folder(python_version: str) -> Path:
    folder: Path = home() / f"lava-{LAVA}-py{python_version}"
    return folder


def _read(folder: Path) -> LavaEnvironment | None:
    python = folder / "bin" / "python"
    try:
        content = json.loads((folder / READY).read_text())
        version, python_version = str(content["lava"]), str(content["python"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if version != LAVA or not python.exists():  # the link leads nowhere when its Python was removed
        return None
    return LavaEnvironment(folder, python, version, python_version)


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """Hold the lock of this home; the system frees it when the process ends, whatever ends it."""
    file = home() / "lava.lock"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = file.open("w")
    except OSError as error:
        raise BackendFailedError(
            f"{file}: cannot be written ({error.strerror}); set MEP_NEURO_HOME to a folder of yours"
        ) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BackendFailedError(
                f"{file}: another installation of Lava is under way; wait for it and run again: {MEND}"
            ) from error
        yield


def find_python() -> tuple[str, str]:
    """A Python that can make the environment, and its version."""
    tried = []
    for candidate in _candidates():
        version = _version(candidate)
        if version in PYTHONS:
            return candidate, version
        tried.append(candidate)
    raise BackendMissingError(
        f"lava: needs a Python 3.10 or 3.11 with venv and ensurepip, and found none "
        f"(tried: {', '.join(tried)}); install python3.11 with its venv package, put it on PATH, "
        f"and run: {MEND}"
    )


def _candidates() -> list[str]:
    """This Python, then every python3.11 and python3.10 on PATH: the first of a name may be a dead shim."""
    folders = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    named = [os.path.join(folder, f"python{version}") for version in PYTHONS for folder in folders]
    return list(dict.fromkeys([sys.executable, *(path for path in named if os.access(path, os.X_OK))]))


def _version(python: str) -> str:
    """Such as '3.11'; empty where this Python does not run or cannot make environments."""
    code = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
    return (_output([python, "-c", code], 30.0) or "").strip()


def _output(command: list[str], seconds: float) -> str | None:
    """What a command prints, or None when it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, env=clean_environment(), check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
