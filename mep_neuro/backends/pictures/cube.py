"""Slices of a 3D population, from the face that is fed to the one that is read."""

import numpy as np
from matplotlib.figure import Figure

from mep_neuro.backends.pictures.style import RATES_MAP, SIGNED_MAP, check_sample, styled
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.recording import Recording

MOST_COLUMNS = 6


def plot_cube(recording: Recording, network: Network, population: str, *, sample: int = 0) -> Figure:
    """Settled rates of a population of shape (x, y, z), a panel for each z.

    Args:
        recording: What a back end settled to.
        network: The network.
        population: A population of three axes.
        sample: Which presentation.

    Raises:
        UnsupportedError: No such population, one of another shape, or no such sample.
    """
    found = network.populations.get(population)
    if found is None or population not in recording.rates or len(found.shape) != 3:
        cubes = ", ".join(cube_names(network)) or "none here"
        raise UnsupportedError(
            f"population '{population}': slices need three axes, (x, y, z), and rates; choose one of: {cubes}"
        )
    check_sample(recording, sample)
    cube = recording.rates[population][sample].reshape(found.shape)
    signed = found.activation == "tanh"
    limit = float(np.abs(cube).max()) or 1.0
    low, high = (-limit, limit) if signed else (0.0, max(limit, 1.0))
    columns = min(found.shape[2], MOST_COLUMNS)
    rows = -(-found.shape[2] // columns)
    with styled():
        figure = Figure(figsize=(1.45 * columns + 1.3, 1.6 * rows + 0.7))
        axes = figure.subplots(rows, columns, squeeze=False)
        for number, panel in enumerate(axes.ravel()):
            if number >= found.shape[2]:
                panel.axis("off")
                continue
            image = panel.imshow(
                cube[:, :, number].T,
                origin="lower",
                cmap=SIGNED_MAP if signed else RATES_MAP,
                vmin=low,
                vmax=high,
                interpolation="nearest",
            )
            panel.set_title(f"z = {number}")
            panel.set(xticks=[], yticks=[])
            for side in panel.spines.values():
                side.set_visible(False)
        axes[-1, 0].set(xlabel="x", ylabel="y")
        figure.colorbar(image, ax=axes, label="rate s (dimensionless)", shrink=0.85)
        figure.suptitle(f"{population}: settled rates on {recording.backend}, sample {sample}", ha="center")
    return figure


def cube_names(network: Network) -> list[str]:
    """Settling populations of three axes."""
    return [p.name for p in network.dynamic if len(p.shape) == 3 and min(p.shape) > 1]
