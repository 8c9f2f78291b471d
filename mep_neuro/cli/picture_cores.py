"""A picture of the cores of a chip: who lies where, and how full each core is."""

import math
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no display is needed, nor touched
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from mep_neuro.backends.fit import Fit
from mep_neuro.chip.place import Core, Placement
from mep_neuro.cli.picture import SUFFIXES
from mep_neuro.errors import UnsupportedError

MOST_CORES = 4096  # a square of 64: each is a few pixels wide
COLOURS = ("#2b6cb0", "#dd6b20", "#2f855a", "#805ad5", "#b83280", "#975a16", "#2c7a7b", "#718096")
EMPTY = "#f3f3f3"
LOWEST = 0.1  # height of a filling that is lower, so that its colours are seen


def draw(fit: Fit, path: Path) -> None:
    """Draw the core map of a network that has a placement.

    Each square is a core. The height of its filling is the largest share of a known limit that it uses (its
    whole height where none is known); the colours divide the width among the populations by their units.

    Raises:
        UnsupportedError: Another kind of file, or too many cores for a picture.
    """
    placement = fit.placement
    if path.suffix.lower() not in SUFFIXES:
        raise UnsupportedError(f"{path}: cannot draw into '{path.suffix}'; end it in {', '.join(SUFFIXES)}")
    if placement is None:
        raise UnsupportedError(f"{fit.network}: it has no place on {fit.profile.name}; leave out --out")
    total = max(fit.profile.cores.value or 0, len(placement.cores))
    if total > MOST_CORES:
        raise UnsupportedError(f"{path}: {total} cores exceed the {MOST_CORES} of a picture; leave out --out")
    columns = math.ceil(math.sqrt(total))
    rows = math.ceil(total / columns)
    side = max(min(7.0 / columns, 3.0), 0.3)
    figure = Figure(figsize=(max(columns * side, 5.0) + 3.4, max(rows * side, 1.5) + 1.5), dpi=120)
    page = figure.add_axes((0.03, 0.04, 0.95, 0.82))
    page.set_xlim(0, columns + 3.2 / side)
    page.set_ylim(rows + 0.1, -0.1)
    page.set_aspect("equal", anchor="W")
    page.axis("off")
    colour = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(fit.circuit.sizes)}
    for number in range(total):
        row, column = divmod(number, columns)
        core = placement.cores[number] if number < len(placement.cores) else None
        _core(page, fit, core, (column, row), colour, numbered=total <= 256)
    _title(figure, fit, placement, total)
    patches = [
        Patch(color=colour[name], label=f"{name} ({size:,} units)")
        for name, size in fit.circuit.sizes.items()
    ]
    patches.append(Patch(facecolor=EMPTY, edgecolor="#cccccc", label="empty"))
    page.legend(
        handles=patches,
        loc="upper left",
        bbox_to_anchor=(columns + 0.3, 0),
        bbox_transform=page.transData,
        frameon=False,
        fontsize=9,
    )
    figure.savefig(path)


def _core(
    page: Any, fit: Fit, core: Core | None, at: tuple[int, int], colour: dict[str, str], *, numbered: bool
) -> None:
    x, y = at
    gap = 0.06
    page.add_patch(
        Rectangle((x + gap, y + gap), 1 - 2 * gap, 1 - 2 * gap, facecolor=EMPTY, edgecolor="#cccccc", lw=0.6)
    )
    if core is None:
        return
    share, _ = core.load(fit.profile)
    height = (1 - 2 * gap) * (min(max(share, LOWEST), 1.0) if share > 0 else 1.0)
    left, units = x + gap, sum(core.units.values())
    for name, count in core.units.items():
        width = (1 - 2 * gap) * count / units
        page.add_patch(Rectangle((left, y + 1 - gap - height), width, height, facecolor=colour[name], lw=0))
        left += width
    if numbered:
        text = f"{share:.0%}" if share >= 0.01 else f"{share:.1%}"
        page.text(
            x + 0.5,
            y + 0.3,
            text if share > 0 else "?",
            ha="center",
            va="center",
            fontsize=7,
            color="white" if share > 0.6 else "#222222",
        )


def _title(figure: Figure, fit: Fit, placement: Placement, total: int) -> None:
    known = fit.profile.cores.value
    of = f"of {known} cores" if known is not None else "cores; how many the chip has is unknown"
    figure.text(0.03, 0.94, f"{fit.network} on {fit.profile.title}", fontsize=13, weight="bold")
    loads = [core.load(fit.profile) for core in placement.cores]
    share, limit = max(loads, default=(0.0, ""))
    fullest = f"fullest core: {share:.1%} of {limit}" if limit else "no limit of a core is known"
    figure.text(0.03, 0.89, f"{len(placement.cores)} {of}; {fullest}", fontsize=9, color="#444444")
