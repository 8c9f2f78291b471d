"""Equilibrium Propagation for spiking and neuromorphic simulators.

    import mep_neuro as mep
    spec = mep.read_spec("digits_mlp")
    network = mep.build(spec)

The names below are loaded when they are first used, so that `import mep_neuro` stays light
and never imports torch (PEP 562).
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the same names again, for type checkers and editors; a test keeps the two equal
    from mep_neuro.simulation.build import build as build
    from mep_neuro.topology.reader import read_spec as read_spec

__version__ = version("mep-neuro")

_PUBLIC = {
    "build": "mep_neuro.simulation.build:build",
    "read_spec": "mep_neuro.topology.reader:read_spec",
}


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"mep_neuro: no attribute {name!r}; the public names are {', '.join(_PUBLIC)}")
    module, _, attribute = _PUBLIC[name].partition(":")
    value: object = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
