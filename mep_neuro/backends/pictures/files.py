"""All pictures that a run has, as PNG files."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from mep_neuro.backends.pictures.cube import cube_names, plot_cube
from mep_neuro.backends.pictures.equilibrium import plot_equilibrium
from mep_neuro.backends.pictures.membranes import plot_membranes
from mep_neuro.backends.pictures.messages import plot_messages
from mep_neuro.backends.pictures.raster import plot_raster
from mep_neuro.backends.pictures.settling import plot_settling
from mep_neuro.backends.pictures.weights import plot_weights
from mep_neuro.backends.run_files import disk_errors, replace_file
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.recording import Recording

DPI = 150


@dataclass(frozen=True)
class Pictures:
    """What was drawn.

    Attributes:
        files: Paths of the PNG files, in the order of their writing.
        left_out: Why a picture makes no sense of this run, one sentence each.
    """

    files: tuple[Path, ...]
    left_out: tuple[str, ...]


def write_pictures(
    folder: str | Path,
    network: Network,
    recording: Recording,
    reference: Recording | None = None,
    *,
    sample: int = 0,
) -> Pictures:
    """Draw every picture that a recording has into a folder; each file is written aside and renamed.

    Args:
        folder: Made where it is missing; files of the same names are replaced.
        network: The network that was run.
        recording: What a back end made of some samples, with a trace where there is one.
        reference: The rate fixed point of the same samples; None where the recording is it.
        sample: Which presentation the traces, the raster and the slices show.

    Raises:
        RunFolderError: The folder cannot be written.
    """
    folder, files, left_out = Path(folder), [], []
    with disk_errors(folder, "the pictures"):
        folder.mkdir(parents=True, exist_ok=True)
    for name, draw in _drawings(network, recording, reference, sample):
        try:
            figure = draw()
        except UnsupportedError as error:
            left_out.append(f"{name}: {error}")
            continue
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=DPI)
        path = folder / f"{name}.png"
        with disk_errors(folder, path.name):
            replace_file(path, content.getvalue())
        files.append(path)
    return Pictures(tuple(files), tuple(left_out))


def _drawings(
    network: Network, recording: Recording, reference: Recording | None, sample: int
) -> Iterator[tuple[str, Callable[[], Figure]]]:
    yield "raster", lambda: plot_raster(recording, network, sample=sample)
    yield "membranes", lambda: plot_membranes(recording, network, sample=sample)
    if reference is not None:
        yield "equilibrium", lambda: plot_equilibrium(recording, reference, network)
    yield "messages", lambda: plot_messages(recording, network)
    yield "settling", lambda: plot_settling(recording)
    for cube in cube_names(network):
        yield f"cube_{cube}", lambda cube=cube: plot_cube(recording, network, cube, sample=sample)  # type: ignore[misc]  # mypy cannot type a lambda with a default
    for projection in network.projections:
        yield f"weights_{projection}", lambda q=projection: plot_weights(network, q)  # type: ignore[misc]  # as above
