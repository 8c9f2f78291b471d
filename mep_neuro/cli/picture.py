"""A picture of a network: a box a layer, a cube in 3D, an arrow a projection."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no display is needed, nor touched
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from mep_neuro.cli.picture_cube import draw_cube
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.coupling import coupled_map, spectral_radius
from mep_neuro.simulation.network import Network, Population, Projection

MAX_POPULATIONS = 60  # a column is 4 inches wide: 60 make 24 000 pixels, and no screen shows more
SUFFIXES = (".png", ".svg", ".pdf")
_COLUMN, _GAP, _CUBE, _BOX = 2.0, 1.9, 3.2, 1.0  # inches: box width, between, cube edge, box height
_FILL = {"input": "#d6e6f7", "hidden": "#ececec", "output": "#fbe0cf"}
_Place = tuple[float, float, float, float]  # centre x, centre y, width, height, in inches


def draw(network: Network, path: Path) -> None:
    """Draw a network into a file.

    Args:
        network: The network.
        path: The picture, .png, .svg or .pdf.

    Raises:
        UnsupportedError: Another kind of file, or too many populations for a picture.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UnsupportedError(f"{path}: cannot draw into '{path.suffix}'; end it in {', '.join(SUFFIXES)}")
    if len(network.populations) > MAX_POPULATIONS:
        raise UnsupportedError(
            f"{network.spec.name}: {len(network.populations)} populations exceed the {MAX_POPULATIONS} "
            "of a picture; leave out --out"
        )
    places, width, height = _layout(network)
    figure = Figure(figsize=(width, height), dpi=120, facecolor="white")
    page = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    page.set_xlim(0, width)
    page.set_ylim(0, height)
    page.axis("off")
    _title(page, network, width, height)
    for name, population in network.populations.items():
        if is_cube(network, population):
            x, y, w, h = places[name]
            frame = ((x - w / 2) / width, (y - h / 2) / height, w / width, h / height)
            draw_cube(figure, page, network, population, frame, (x, y, w, h))
        else:
            _box(page, population, places[name])
    _arrows(page, network, places)
    figure.savefig(path)


def is_cube(network: Network, population: Population) -> bool:
    """Whether a population is drawn in 3D: three axes that are no channels of images."""
    name = population.name
    images = any(p.kind == "conv2d" and name in (p.pre, p.post) for p in network.projections.values())
    return len(population.shape) == 3 and not images


def columns_of(names: Iterable[str], arrows: Iterable[tuple[str, str]]) -> dict[str, int]:
    """The column of each population: one right of the farthest population that projects into it.

    Projections that would close a circle are left out.
    """
    column = dict.fromkeys(names, 0)
    forward: list[tuple[str, str]] = []
    for pre, post in arrows:
        if pre != post and not _leads(forward, post, pre):
            forward.append((pre, post))
    for _ in column:
        for pre, post in forward:
            column[post] = max(column[post], column[pre] + 1)
    return column


def _leads(arrows: list[tuple[str, str]], start: str, end: str) -> bool:
    reached, size = {start}, 0
    while len(reached) > size:
        size = len(reached)
        reached |= {post for pre, post in arrows if pre in reached}
    return end in reached


def _layout(network: Network) -> tuple[dict[str, _Place], float, float]:
    """Place of each population, and width and height of the page."""
    column = columns_of(network.populations, ((p.pre, p.post) for p in network.projections.values()))
    groups: dict[int, list[Population]] = {}
    for name, population in network.populations.items():
        groups.setdefault(column[name], []).append(population)
    heights = {c: sum(_height(network, p) + 0.9 for p in group) for c, group in groups.items()}
    height = max(heights.values()) + 1.3
    places: dict[str, _Place] = {}
    left = 0.4
    for index in sorted(groups):
        w = max(_CUBE if is_cube(network, p) else _COLUMN for p in groups[index])
        top = (height - 0.9 + heights[index]) / 2
        for population in groups[index]:
            h = _height(network, population)
            own = _CUBE if is_cube(network, population) else _COLUMN
            places[population.name] = (left + w / 2, top - 0.35 - h / 2, own, h)
            top -= h + 0.9
        left += w + _GAP
    return places, max(left - _GAP + 0.4, 6.0), height


def _height(network: Network, population: Population) -> float:
    return _CUBE if is_cube(network, population) else _BOX


def _title(page: Any, network: Network, width: float, height: float) -> None:
    units = sum(p.size for p in network.populations.values())
    synapses = sum(p.synapses.pre.size for p in network.projections.values())
    radius = spectral_radius(coupled_map(network))
    page.text(width / 2, height - 0.3, network.spec.name, ha="center", va="center", size=14, weight="bold")
    facts = f"{units:,} units, {synapses:,} synapses, coupled map λ = {radius:.2f}"
    page.text(width / 2, height - 0.62, facts, ha="center", va="center", size=9, color="#444444")


def _box(page: Any, population: Population, place: _Place) -> None:
    x, y, w, h = place
    box = FancyBboxPatch(
        (x - w / 2 + 0.08, y - h / 2 + 0.08),
        w - 0.16,
        h - 0.16,
        boxstyle="round,pad=0.08",
        facecolor=_FILL[population.role],
        edgecolor="#555555",
        linewidth=1.2,
    )
    page.add_patch(box)
    shape = " x ".join(map(str, population.shape))
    kind = "clamped to the data" if population.role == "input" else population.activation
    page.text(x, y + 0.2, _short(population.name, 20), ha="center", va="center", size=11, weight="bold")
    page.text(x, y - 0.18, f"{shape} units\n{kind}", ha="center", va="center", size=8.5)


def _arrows(page: Any, network: Network, places: Mapping[str, _Place]) -> None:
    drawn: dict[tuple[str, str], int] = {}
    for projection in network.projections.values():
        if projection.pre == projection.post:
            continue
        pair = (projection.pre, projection.post)
        drawn[pair] = drawn.get(pair, 0) + 1
        _arrow(page, network, projection, places, drawn[pair] - 1)


def _arrow(
    page: Any, network: Network, projection: Projection, places: Mapping[str, _Place], nth: int
) -> None:
    """One projection; the nth between the same two populations is bent further."""
    x0, y0, w0, _ = places[projection.pre]
    x1, y1, w1, h1 = places[projection.post]
    both = network.populations[projection.pre].dynamic and network.populations[projection.post].dynamic
    start, end = (x0 + w0 / 2, y0), (x1 - w1 / 2, y1)
    beside = end[0] > start[0] and end[0] - start[0] < _GAP + _CUBE
    if not beside:
        start, end = (x0, y0 + _BOX / 2), (x1, y1 + h1 / 2)
    bend = (0.0 if beside else -0.25) - 0.25 * nth
    page.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="<|-|>" if both else "-|>",
            connectionstyle=f"arc3,rad={bend}",
            mutation_scale=14,
            color="#333333" if projection.plastic else "#999999",
            linewidth=1.4,
            shrinkA=2,
            shrinkB=2,
            zorder=5,
        )
    )
    dx, dy = end[0] - start[0], end[1] - start[1]
    middle = ((start[0] + end[0]) / 2 + dy * bend / 2, (start[1] + end[1]) / 2 - dx * bend / 2)
    _label(page, projection, middle, both)


def _label(page: Any, projection: Projection, at: tuple[float, float], both: bool) -> None:
    """The name above the arrow, what it is below."""
    fixed = "" if projection.plastic else ", fixed"
    kind = "" if projection.feedback == "tied" else f"{projection.feedback} "
    gain = f"\n{kind}feedback gain {abs(projection.feedback_gain):g}" if both else ""
    below = f"{projection.kind}{fixed}\n{projection.synapses.pre.size:,} synapses{gain}"
    name = _short(projection.name, 20)
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.85}  # for slanted arrows
    at_top = {"va": "bottom", "size": 8.5, "weight": "bold"}
    page.text(at[0], at[1] + 0.1, name, ha="center", zorder=6, bbox=paper, **at_top)
    page.text(at[0], at[1] - 0.1, below, ha="center", va="top", size=7.5, zorder=6, bbox=paper)


def _short(name: str, length: int) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"
