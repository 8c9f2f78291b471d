"""The back ends and conversion targets by name; each is imported only when it is asked for."""

import difflib
import importlib
import importlib.metadata
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mep_neuro.errors import BackendMissingError, MepNeuroError, UnknownBackendError
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.recording import Recording, RunOptions


class Run(Protocol):
    """What every back end offers."""

    def __call__(
        self, network: Network, features: NDArray[np.floating], options: RunOptions
    ) -> Recording:  # pragma: no cover
        """Settle the network for each row of features, shape (samples, n_input)."""


@dataclass(frozen=True)
class Backend:
    """One line of the table.

    Attributes:
        entry: Where its `run` is, as module:function.
        summary: What it is, in a few words for the user.
        package: The distribution whose version counts; empty for an environment of its own.
        mend: The command that installs it.
    """

    entry: str
    summary: str
    package: str
    mend: str


@dataclass(frozen=True)
class Probe:
    """What `doctor` says of one back end or package.

    Attributes:
        name: Its name.
        summary: What it is.
        found: Whether it can be used.
        version: Its version, empty where it is not found.
        problem: Why it cannot be used, empty where it can.
        mend: The command that mends it, empty where nothing is to mend.
    """

    name: str
    summary: str
    found: bool
    version: str
    problem: str = ""
    mend: str = ""


# Brian2 2.9 is the last for Python 3.11, and cannot be imported with numpy 2.4 (brian2 pull request 1705).
_BRIAN2 = (
    '"brian2>=2.9,<2.10" "numpy<2.4"' if sys.version_info < (3, 12) else '"brian2>=2.10"'
)  # as in pyproject.toml

BACKENDS: Mapping[str, Backend] = {
    "torch": Backend(
        "mep_neuro.equilibrium.backend:run",
        "PyTorch rate reference",
        "torch",
        'python -m pip install "torch>=2.9"',
    ),
    "brian2": Backend(
        "mep_neuro.converters.to_brian2.backend:run",
        "Brian2 rate neurons and synapses",
        "brian2",
        f"python -m pip install {_BRIAN2}",
    ),
    "loihi-emulator": Backend(
        "mep_neuro.chip.backend:run",
        "integer emulation of Loihi 2",
        "mep-neuro",
        "python -m pip install -e .",
    ),
    "lava": Backend(
        "mep_neuro.converters.to_lava.backend:run",
        "Lava processes, in an environment of their own",
        "",
        "mep-neuro backend install lava",
    ),
}

REFERENCE = "torch"

CONVERTERS: Mapping[str, str] = {
    "brian2": "mep_neuro.converters.to_brian2.backend:convert",
    "lava": "mep_neuro.converters.to_lava.backend:convert",
}

TRAINERS: Mapping[str, str] = {
    "brian2": "mep_neuro.converters.to_brian2.learning.trainer:Trainer",
    "loihi-emulator": "mep_neuro.backends.chip_in_the_loop:Trainer",
}

# What writes a folder that runs without mep-neuro, by the name of the target.
EXPORTERS: Mapping[str, str] = {
    "brian2": "mep_neuro.converters.to_brian2.export.folder:export",
    "lava": "mep_neuro.converters.to_lava.backend:convert",
}

INSTALLERS: Mapping[str, str] = {"lava": "mep_neuro.converters.to_lava.environment:install"}

# Not back ends of this version: doctor says only whether they are installed.
PACKAGES: Mapping[str, str] = {
    "snntorch": 'python -m pip install "snntorch>=1.0"',
    "nir": 'python -m pip install "nir>=1.0.8"',
}


def find(name: str) -> Run:
    """The `run` of a back end.

    Raises:
        UnknownBackendError: No back end has this name.
        BackendMissingError: It needs a package that is not installed.
    """
    check_name(name)
    run: Run = _load(BACKENDS[name].entry, name, BACKENDS[name].mend)
    return run


def find_converter(target: str) -> Callable[..., Any]:
    """The `convert` of a conversion target.

    Raises:
        UnknownBackendError: No converter has this name.
        BackendMissingError: It needs a package that is not installed.
    """
    if target not in CONVERTERS:
        raise UnknownBackendError(f"conversion target '{target}': unknown; {_hint(target, CONVERTERS)}")
    convert: Callable[..., Any] = _load(CONVERTERS[target], target, BACKENDS[target].mend)
    return convert


def find_exporter(target: str) -> Callable[..., Any]:
    """What writes a folder for a conversion target.

    Raises:
        UnknownBackendError: Nothing writes files for this name.
        BackendMissingError: It needs a package that is not installed.
    """
    if target not in EXPORTERS:
        raise UnknownBackendError(f"conversion target '{target}': unknown; {_hint(target, EXPORTERS)}")
    export: Callable[..., Any] = _load(EXPORTERS[target], target, BACKENDS[target].mend)
    return export


def find_trainer(name: str) -> Callable[..., Any]:
    """What learns inside a simulator, by the name of the back end; torch's own is no part of the table.

    Raises:
        UnknownBackendError: Nothing learns there.
        BackendMissingError: It needs a package that is not installed.
    """
    if name not in TRAINERS:
        raise UnknownBackendError(
            f"training on '{name}': nothing learns there; {_hint(name, ['torch', *TRAINERS])}"
        )
    trainer: Callable[..., Any] = _load(TRAINERS[name], name, BACKENDS[name].mend)
    return trainer


def find_installer(name: str) -> Callable[..., Any] | None:
    """The `install` of a back end with an environment of its own; None for every other."""
    if name not in INSTALLERS:
        return None
    install: Callable[..., Any] = _load(INSTALLERS[name], name, "")
    return install


def check_name(name: str) -> None:
    """Refuse a name that is no back end, without importing anything.

    Raises:
        UnknownBackendError: No back end has this name; the message names the nearest.
    """
    if name not in BACKENDS:
        raise UnknownBackendError(f"back end '{name}': unknown; {_hint(name, BACKENDS)}")


def require(name: str) -> None:
    """Refuse a back end that cannot be used, before any long work, without importing it.

    Raises:
        UnknownBackendError: No back end has this name.
        BackendMissingError: It is not installed; the message holds the command that mends it.
    """
    check_name(name)
    found = probe(name)
    if not found.found:
        raise BackendMissingError(f"back end '{name}': {found.problem}; run: {found.mend}")


def probe(name: str) -> Probe:
    """Whether a back end (or one of `PACKAGES`) is installed, without importing it.

    Raises:
        UnknownBackendError: Neither a back end nor a known package has this name.
    """
    if name in PACKAGES:
        return _probe_package(name, "package; no back end of this version yet", name, PACKAGES[name])
    known = [*BACKENDS, *PACKAGES]
    if name not in BACKENDS:
        raise UnknownBackendError(f"back end '{name}': unknown; {_hint(name, known)}")
    backend = BACKENDS[name]
    if name == "lava":
        return _probe_lava(backend)
    return _probe_package(name, backend.summary, backend.package, backend.mend)


def _load(entry: str, name: str, mend: str) -> Any:
    module, function = entry.split(":")
    try:
        return getattr(importlib.import_module(module), function)
    except ImportError as error:
        if error.name is not None and error.name.split(".")[0] == "mep_neuro":
            raise  # a file of our own is missing: no pip command mends that
        raise BackendMissingError(f"back end '{name}': {error}; run: {mend}") from error


def _hint(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    question = f"did you mean '{near[0]}'? " if near else "write one of these "
    return f"{question}(known: {', '.join(names)})"


def _probe_package(name: str, summary: str, package: str, mend: str) -> Probe:
    version = _version(package)
    if not version:
        return Probe(name, summary, False, "", f"the package {package} is not installed", mend)
    problem = _numpy_problem(version, _version("numpy")) if name == "brian2" else ""
    return Probe(name, summary, not problem, version, problem, mend if problem else "")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _numpy_problem(brian2: str, numpy: str) -> str:
    """Why this Brian2 cannot be imported with this numpy; empty where it can."""
    if _leading(brian2) < (2, 10) and _leading(numpy) >= (2, 4):
        return f"Brian2 {brian2} cannot be imported with numpy {numpy}: it needs numpy below 2.4"
    return ""


def _leading(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _probe_lava(backend: Backend) -> Probe:
    """Ask the module that knows Lava's private environment."""
    environment = importlib.import_module("mep_neuro.converters.to_lava.environment")
    try:
        found = environment.find()
    except MepNeuroError as error:
        return Probe("lava", backend.summary, False, "", str(error), backend.mend)
    if found is None:
        return Probe(
            "lava", backend.summary, False, "", "its private environment is not installed", backend.mend
        )
    return Probe("lava", backend.summary, True, str(getattr(found, "version", "")), "", "")
