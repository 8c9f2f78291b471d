"""`mep-neuro run ... --plots DIR`: the pictures of a run, and what is said of them."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mep_neuro.cli.held_out import HeldOut

if TYPE_CHECKING:
    from mep_neuro.backends.comparison import Comparison
    from mep_neuro.backends.pictures.files import Pictures


def draw(folder: Path, held: HeldOut, comparison: "Comparison", name: str) -> "Pictures":
    """Draw what the back end made of the first sample, against the rate fixed point.

    Raises:
        RunFolderError: The folder cannot be written.
    """
    from mep_neuro.backends.pictures.files import write_pictures
    from mep_neuro.backends.registry import REFERENCE, find
    from mep_neuro.simulation.override import network_with_neuron
    from mep_neuro.simulation.recording import RunOptions
    from mep_neuro.simulation.spiking import is_spiking

    reference = None if name == REFERENCE else comparison.recordings[REFERENCE]
    if is_spiking(held.network):
        rates = network_with_neuron(held.network, "rate")
        reference = find(REFERENCE)(rates, held.features, RunOptions())
    return write_pictures(folder, held.network, comparison.recordings[name], reference)


def tell_drawn(drawn: "Pictures") -> None:
    """The files, and why others make no sense of this run."""
    for path in drawn.files:
        typer.echo(f"picture: {path}")
    for why in drawn.left_out:
        typer.echo(f"no picture: {why}")
