"""Equilibrium Propagation for spiking and neuromorphic simulators.

    import mep_neuro as mep
    net = mep.load("digits_mlp")
    mep.train(net, "digits")
    model = mep.convert(net, to="brian2")

The names below are loaded when they are first used, so that `import mep_neuro` stays light
and never imports torch (PEP 562).
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the same names again, for type checkers and editors; a test keeps the two equal
    from mep_neuro.backends.convert import convert as convert
    from mep_neuro.backends.data.load import load_data as load_data
    from mep_neuro.backends.fit import fit as fit
    from mep_neuro.backends.load import load as load
    from mep_neuro.backends.pictures.cube import plot_cube as plot_cube
    from mep_neuro.backends.pictures.equilibrium import plot_equilibrium as plot_equilibrium
    from mep_neuro.backends.pictures.files import write_pictures as write_pictures
    from mep_neuro.backends.pictures.membranes import plot_membranes as plot_membranes
    from mep_neuro.backends.pictures.messages import plot_messages as plot_messages
    from mep_neuro.backends.pictures.raster import plot_raster as plot_raster
    from mep_neuro.backends.pictures.settling import plot_settling as plot_settling
    from mep_neuro.backends.pictures.weights import plot_weights as plot_weights
    from mep_neuro.backends.trainer import trainer as trainer
    from mep_neuro.backends.training import train as train
    from mep_neuro.equilibrium.consolidation.consolidate import consolidate as consolidate
    from mep_neuro.equilibrium.contrast import contrast as contrast
    from mep_neuro.equilibrium.optimizers.gradients import Sequential as Sequential
    from mep_neuro.equilibrium.optimizers.gradients import compute_ep_gradients as compute_ep_gradients
    from mep_neuro.equilibrium.optimizers.modules import EPLayer as EPLayer
    from mep_neuro.equilibrium.optimizers.presets import local_ep as local_ep
    from mep_neuro.equilibrium.optimizers.presets import muon_backprop as muon_backprop
    from mep_neuro.equilibrium.optimizers.presets import natural_ep as natural_ep
    from mep_neuro.equilibrium.optimizers.presets import sdmep as sdmep
    from mep_neuro.equilibrium.optimizers.presets import smep as smep
    from mep_neuro.equilibrium.optimizers.sdmep_optimizer import SDMEPOptimizer as SDMEPOptimizer
    from mep_neuro.equilibrium.phases import free_phase as free_phase
    from mep_neuro.equilibrium.phases import nudged_phase as nudged_phase
    from mep_neuro.simulation.build import build as build
    from mep_neuro.topology.reader import read_spec as read_spec

__version__ = version("mep-neuro")

_PUBLIC = {
    "build": "mep_neuro.simulation.build:build",
    "convert": "mep_neuro.backends.convert:convert",
    "fit": "mep_neuro.backends.fit:fit",
    "free_phase": "mep_neuro.equilibrium.phases:free_phase",
    "load": "mep_neuro.backends.load:load",
    "load_data": "mep_neuro.backends.data.load:load_data",
    "nudged_phase": "mep_neuro.equilibrium.phases:nudged_phase",
    "consolidate": "mep_neuro.equilibrium.consolidation.consolidate:consolidate",
    "contrast": "mep_neuro.equilibrium.contrast:contrast",
    "EPLayer": "mep_neuro.equilibrium.optimizers.modules:EPLayer",
    "SDMEPOptimizer": "mep_neuro.equilibrium.optimizers.sdmep_optimizer:SDMEPOptimizer",
    "Sequential": "mep_neuro.equilibrium.optimizers.gradients:Sequential",
    "compute_ep_gradients": "mep_neuro.equilibrium.optimizers.gradients:compute_ep_gradients",
    "local_ep": "mep_neuro.equilibrium.optimizers.presets:local_ep",
    "muon_backprop": "mep_neuro.equilibrium.optimizers.presets:muon_backprop",
    "natural_ep": "mep_neuro.equilibrium.optimizers.presets:natural_ep",
    "sdmep": "mep_neuro.equilibrium.optimizers.presets:sdmep",
    "smep": "mep_neuro.equilibrium.optimizers.presets:smep",
    "train": "mep_neuro.backends.training:train",
    "trainer": "mep_neuro.backends.trainer:trainer",
    "plot_cube": "mep_neuro.backends.pictures.cube:plot_cube",
    "plot_equilibrium": "mep_neuro.backends.pictures.equilibrium:plot_equilibrium",
    "plot_membranes": "mep_neuro.backends.pictures.membranes:plot_membranes",
    "plot_messages": "mep_neuro.backends.pictures.messages:plot_messages",
    "plot_raster": "mep_neuro.backends.pictures.raster:plot_raster",
    "plot_settling": "mep_neuro.backends.pictures.settling:plot_settling",
    "plot_weights": "mep_neuro.backends.pictures.weights:plot_weights",
    "write_pictures": "mep_neuro.backends.pictures.files:write_pictures",
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
