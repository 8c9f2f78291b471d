"""`mep-neuro show`: a network's sizes and a picture of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mep_neuro.cli.output import note, out_console, print_json

if TYPE_CHECKING:
    from mep_neuro.simulation.network import Network


def show(
    network: Annotated[
        str, typer.Argument(metavar="NET.yaml", help="A file, or a name of the library such as digits_cube.")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.png", help="Draw the network into this .png, .svg or .pdf."),
    ] = None,
) -> None:
    """Show a network: its populations, projections, and a picture.

    \b
    Example:
      mep-neuro show digits_cube --out digits_cube.png
    The picture has a box for each layer; a cube is drawn in 3D, with the face
    that takes the input and the face that is read out in colour.
    """
    from mep_neuro.cli.summary import network_summary

    built = network_of(network)
    summary = network_summary(built)
    if out is not None:
        from mep_neuro.cli.picture import draw

        draw(built, out)
        summary["picture"] = out
    if json:
        print_json(summary)
    else:
        _print_tables(summary)
        if out is not None:
            note(f"wrote {out}")


def network_of(source: str) -> "Network":
    """The network of a topology file or a library name, with its starting weights.

    Raises:
        TopologyError: The topology is wrong.
    """
    from mep_neuro.errors import TopologyError
    from mep_neuro.simulation.build import build
    from mep_neuro.topology.reader import located, read_spec

    spec = read_spec(source)
    try:
        return build(spec)
    except TopologyError as error:
        raise located(error, source) from None


_POPULATION_COLUMNS = (
    ("population", "name"),
    ("role", "role"),
    ("shape", "shape"),
    ("units", "units"),
    ("model", "model"),
    ("activation", "activation"),
    ("tau_mem", "tau_mem_s"),
    ("bias", "bias"),
)
_PROJECTION_COLUMNS = (
    ("projection", "name"),
    ("pre", "pre"),
    ("post", "post"),
    ("connector", "connector"),
    ("synapses", "synapses"),
    ("feedback", "feedback"),
    ("feedback gain", "feedback_gain"),
    ("weight gain", "weight_gain"),
    ("plastic", "plastic"),
    ("weights", "weight_bytes"),
)


def _print_tables(summary: dict[str, Any]) -> None:
    console = out_console()
    bound = summary["spectral_bound"]
    console.print(_table(_POPULATION_COLUMNS, summary["populations"]))
    console.print(_table(_PROJECTION_COLUMNS, summary["projections"]))
    typer.echo(
        f"{summary['name']}: {summary['units']} units, {summary['synapses']} synapses, "
        f"weights {_size(summary['weight_bytes'])}, lambda of the coupled map "
        f"{summary['spectral_radius']:.3f} (spectral bound: {'none' if bound is None else bound})"
    )
    if summary["without_energy"]:
        names = ", ".join(summary["without_energy"])
        typer.echo(f"no energy belongs to it: the feedback of {names} is not tied; settling may circle")


def _table(columns: tuple[tuple[str, str], ...], rows: list[dict[str, Any]]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for title, key in columns:
        number = all(isinstance(row[key], int | float) and not isinstance(row[key], bool) for row in rows)
        table.add_column(title, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(_text(key, row[key])) for _, key in columns))
    return table


def _text(key: str, value: Any) -> str:
    if value is None:
        return "-"
    if key == "weight_bytes":
        return _size(value)
    if key == "tau_mem_s":
        return f"{value * 1e3:g} ms"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " x ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"
