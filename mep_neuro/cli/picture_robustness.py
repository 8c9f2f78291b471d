"""A picture of accuracy against faults: a panel for each fault."""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no display is needed, nor touched
from matplotlib.figure import Figure

from mep_neuro.backends.robustness import Point
from mep_neuro.cli.picture import SUFFIXES
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.network import Network

COLUMNS = 4


def draw(points: Sequence[Point], network: Network, path: Path) -> None:
    """Draw the accuracy at each level of each fault, with its spread over the draws, and chance.

    Raises:
        UnsupportedError: Another kind of file.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UnsupportedError(f"{path}: cannot draw into '{path.suffix}'; end it in {', '.join(SUFFIXES)}")
    faults = list(dict.fromkeys(point.fault for point in points))
    columns = min(COLUMNS, len(faults))
    rows = math.ceil(len(faults) / columns)
    figure = Figure(figsize=(3.6 * columns, 2.9 * rows + 0.4), dpi=120)
    figure.suptitle(f"{network.spec.name}: accuracy against faults", size=12)
    chance = 1.0 / (network.output.size // network.output.positions)
    for number, fault in enumerate(faults, start=1):
        own = [point for point in points if point.fault == fault]
        panel = figure.add_subplot(rows, columns, number)
        places = range(len(own))
        panel.errorbar(
            places,
            [point.accuracy for point in own],
            yerr=[point.spread for point in own],
            fmt="o-",
            markersize=4,
            linewidth=1.2,
            capsize=2,
            color="#2b6cb0",
        )
        panel.axhline(chance, color="#999999", linewidth=0.8, linestyle="--")
        labels = [p.level if isinstance(p.level, str) else f"{p.level:g}" for p in own]
        panel.set_xticks(list(places), labels, fontsize=7)
        panel.set_ylim(0.0, 1.03)
        panel.set_title(fault, fontsize=9)
        panel.tick_params(axis="y", labelsize=7)
    figure.text(0.995, 0.005, "dashed: chance", ha="right", va="bottom", fontsize=7, color="#666666")
    figure.tight_layout(rect=(0, 0.01, 1, 0.99))
    figure.savefig(path)
