"""A cube of units in 3D, the face that takes the input and the face that is read out in colour."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mep_neuro.simulation.network import Network, Population

INPUT, READ_OUT, BOTH, INSIDE = "#2b6cb0", "#dd6b20", "#805ad5", "#b8bec6"
MAX_SHOWN = 8000  # above, only the surface is drawn: the inside is hidden anyway
MAX_WIRED = 1000  # above, lines between neighbours only darken the picture


def draw_cube(
    figure: Figure,
    page: Any,
    network: Network,
    population: Population,
    frame: tuple[float, float, float, float],
    place: tuple[float, float, float, float],
) -> None:
    """Draw one 3D population.

    Args:
        figure: The figure.
        page: Axes in inches over the whole figure, for text.
        network: The network.
        population: The population, of three axes.
        frame: Left, bottom, width, height as fractions of the figure.
        place: Centre, width and height in inches.
    """
    axis = _input_axis(network, population)
    order = (axis, *(a for a in range(3) if a != axis))  # to the right, into the page, upwards
    shape = population.shape
    position = np.indices(shape).reshape(3, -1)
    right, deep, down = (position[a] for a in order)
    entering, leaving = _touched(network, population.name)
    axes: Any = figure.add_axes(frame, projection="3d")
    axes.set_axis_off()
    axes.view_init(elev=16, azim=-62)
    longest = np.linalg.norm(shape) / max(shape)  # sqrt(3) for a cube; less is drawn longer
    axes.set_box_aspect([shape[a] for a in order], zoom=1.25 * longest / np.sqrt(3.0))
    axes.patch.set_alpha(0.0)
    if population.size <= MAX_WIRED:
        _wires(axes, [shape[a] for a in order])
    shown = _surface(position, shape) if population.size > MAX_SHOWN else np.ones(population.size, bool)
    edge = max(shape)
    for colour, chosen, size in (
        (INSIDE, shown & ~entering & ~leaving, 40.0),
        (INPUT, shown & entering & ~leaving, 90.0),
        (READ_OUT, shown & leaving & ~entering, 90.0),
        (BOTH, shown & entering & leaving, 90.0),
    ):
        area = size * (6.0 / max(edge, 3)) ** 2
        up = shape[order[2]] - 1 - down[chosen]
        axes.scatter(right[chosen], deep[chosen], up, c=colour, s=area, depthshade=False, linewidths=0)
    _caption(page, network, population, place, bool(entering.any()), bool(leaving.any()))


def _touched(network: Network, name: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Units that other populations project into, and units that project to others."""
    size = network.populations[name].size
    entering, leaving = np.zeros(size, bool), np.zeros(size, bool)
    for projection in network.projections.values():
        if projection.pre != projection.post:
            if projection.post == name:
                entering[projection.synapses.post] = True
            if projection.pre == name:
                leaving[projection.synapses.pre] = True
    return entering, leaving


def _input_axis(network: Network, population: Population) -> int:
    """The lattice's axis from input to read-out, the last one where there is no lattice."""
    for section in network.spec.projections.values():
        if section.connector.type == "lattice" and section.pre.strip() == population.name:
            return section.connector.axis
    return 2


def _surface(position: NDArray[np.intp], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    last = np.array(shape)[:, None] - 1
    outer: NDArray[np.bool_] = np.any((position == 0) | (position == last), axis=0)
    return outer


def _wires(axes: Any, lengths: list[int]) -> None:
    """Thin lines along the three axes through all units."""
    for axis in range(3):
        others = [a for a in range(3) if a != axis]
        for first in range(lengths[others[0]]):
            for second in range(lengths[others[1]]):
                line: list[list[int]] = [[], [], []]
                line[axis] = [0, lengths[axis] - 1]
                line[others[0]] = [first, first]
                line[others[1]] = [second, second]
                axes.plot(*line, color="#c8ccd2", linewidth=0.5, zorder=0)


def _caption(
    page: Any, network: Network, population: Population, place: Any, entering: bool, leaving: bool
) -> None:
    x, y, _, height = place
    shape = " x ".join(map(str, population.shape))
    title = f"{population.name}: {shape}, {population.activation}"
    page.text(x, y + height / 2 + 0.02, title, ha="center", va="bottom", size=10, weight="bold")
    lines = [
        f"{p.name}: {p.weight.size:,} couplings, feedback gain {p.feedback_gain:g} between slices"
        for p in network.projections.values()
        if p.pre == p.post == population.name
    ]
    bottom = y - height / 2
    page.text(x, bottom - 0.3, "\n".join(lines), ha="center", va="top", size=7.5, color="#333333")
    if entering:
        page.text(x - 0.15, bottom - 0.18, "● takes input", ha="right", size=7.5, color=INPUT)
    if leaving:
        page.text(x + 0.15, bottom - 0.18, "● is read out", ha="left", size=7.5, color=READ_OUT)
