"""The topologies shipped with the package, by name."""

from importlib.resources import files
from pathlib import Path


def library_names() -> tuple[str, ...]:
    """Names of the library's networks, sorted."""
    return tuple(sorted(path.stem for path in _folder().glob("*.yaml")))


def library_path(name: str) -> Path:
    """The file of a network of the library.

    Raises:
        KeyError: The library has no network of this name.
    """
    if name not in library_names():
        raise KeyError(name)
    return _folder() / f"{name}.yaml"


def _folder() -> Path:
    return Path(str(files("mep_neuro.networks")))
