"""`mep-neuro validate`: check topology files."""

from typing import Annotated, Any

import typer

from mep_neuro.cli.errors import USER_MISTAKE
from mep_neuro.cli.output import print_errors, print_json


def validate(
    networks: Annotated[
        list[str], typer.Argument(metavar="NET.yaml...", help="Files, or names of the library such as xor.")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Check networks; print every mistake with its line and column.

    \b
    Example:
      mep-neuro validate my.yaml digits_mlp
    prints, for each network without mistakes, its size and the spectral radius
    of its coupled map (below 1 it settles to one state, from any start).
    Exit code 2 if there is a mistake.
    """
    checked = [_check(source) for source in networks]
    for result in checked:
        if not result["ok"]:
            print_errors("\n".join(result["mistakes"]))
        elif not json:
            typer.echo(_line(result))
    if json:
        print_json({"ok": all(result["ok"] for result in checked), "networks": checked})
    if not all(result["ok"] for result in checked):
        raise typer.Exit(USER_MISTAKE)


def _line(result: dict[str, Any]) -> str:
    radius = result["spectral_radius"]
    hint = "" if radius < 1 else " (1 or more: it may not settle; lower weight.gain or set spectral_radius)"
    return (
        f"OK {result['name']}: {result['units']} units, {result['synapses']} synapses, "
        f"spectral radius {radius:.3f}{hint}"
    )


def _check(source: str) -> dict[str, Any]:
    from mep_neuro.cli.summary import network_summary
    from mep_neuro.errors import TopologyError
    from mep_neuro.simulation.build import build
    from mep_neuro.topology.reader import located, read_spec

    try:
        spec = read_spec(source)
        try:
            summary = network_summary(build(spec))
        except TopologyError as error:
            raise located(error, source) from None
    except TopologyError as error:
        return {"source": source, "ok": False, "mistakes": list(error.mistakes)}
    keys = ("name", "units", "synapses", "spectral_radius")
    return {"source": source, "ok": True, **{key: summary[key] for key in keys}}
