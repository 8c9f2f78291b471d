"""`mep-neuro robustness`: accuracy against fewer bits, dead units, lost messages and noisy weights."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mep_neuro.cli.held_out import DataOption, JsonOption, RunArgument, held_out
from mep_neuro.cli.output import note, out_console, print_json, progress

if TYPE_CHECKING:
    from mep_neuro.backends.robustness import Point


def robustness(
    folder: RunArgument,
    data: DataOption = None,
    samples: Annotated[
        int, typer.Option("--samples", min=1, metavar="N", help="How many held-out samples, from the first.")
    ] = 200,
    draws: Annotated[
        int, typer.Option("--draws", min=1, metavar="N", help="Random draws of each level of a fault.")
    ] = 3,
    fault: Annotated[
        list[str] | None, typer.Option("--fault", metavar="NAME", help="One fault; may be given again.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.png", help="Draw the curves into this file.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Measure how accuracy falls as hardware gets worse.

    \b
    Example:
      mep-neuro robustness RUN --fault "dead units" --out robustness.png
    Bits, stuck units and lost messages are measured in the exact integer
    emulation of Loihi 2, noise and drift of analog weights in float. Each
    random fault starts at none of it, and ends where nothing but chance is left.
    """
    from mep_neuro.backends.robustness import robustness as measure

    held = held_out(folder, data, samples)
    with progress(100, "measuring robustness", quiet=json) as advance:
        shown = 0.0

        def watch(done: int, total: int) -> None:
            nonlocal shown
            advance(100 * done / total - shown)
            shown = 100 * done / total

        points = measure(held.network, held.features, held.labels, faults=fault, draws=draws, watch=watch)
    if out is not None:
        from mep_neuro.cli.picture_robustness import draw

        draw(points, held.network, out)
    if json:
        print_json({"samples": samples, "draws": draws, "points": as_rows(points)})
    else:
        _print(points)
        if out is not None:
            note(f"wrote {out}")


def as_rows(points: tuple["Point", ...]) -> list[dict[str, object]]:
    """The points as plain values."""
    from dataclasses import asdict

    return [asdict(point) for point in points]


def _print(points: tuple["Point", ...]) -> None:
    from rich.table import Table

    table = Table("fault", "level", "accuracy", "spread", "settled")
    before = ""
    for point in points:
        name = "" if point.fault == before else point.fault
        spread = f"{point.spread:.4f}" if point.draws > 1 else "-"
        level = point.level if isinstance(point.level, str) else f"{point.level:g}"
        table.add_row(name, level, f"{point.accuracy:.4f}", spread, f"{point.settled:.1%}")
        before = point.fault
    out_console().print(table)
