"""`mep-neuro doctor`: what is installed, and what to type for what is not."""

from typing import TYPE_CHECKING, Annotated

import typer

from mep_neuro.cli.output import out_console, print_json

if TYPE_CHECKING:
    from mep_neuro.backends.registry import Probe

MISSING = 3


def doctor(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME...]", help="Back ends that must be there; exit code 3 if one is not."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """See which simulators are installed.

    \b
    Example:
      mep-neuro doctor
      mep-neuro doctor brian2 lava     exit code 3 if one of these is missing
    """
    from dataclasses import asdict

    from mep_neuro.backends.registry import BACKENDS, PACKAGES, probe

    probes = [probe(name) for name in (names or [*BACKENDS, *PACKAGES])]
    if json:
        found = {p.name: asdict(p) for p in probes}
        print_json({"ok": all(p.found for p in probes), "python": _python(), "backends": found})
    else:
        _print(probes)
    if names and not all(p.found for p in probes):
        raise typer.Exit(MISSING)


def _python() -> str:
    import platform

    return platform.python_version()


def _print(probes: "list[Probe]") -> None:
    from rich.table import Table

    table = Table(title=f"Python {_python()}", title_justify="left")
    for title in ("back end", "found", "version", "what it is"):
        table.add_column(title)
    for p in probes:
        table.add_row(p.name, "yes" if p.found else "no", p.version, p.summary)
    out_console().print(table)
    for p in probes:
        if not p.found:  # outside the table, which would wrap the command
            typer.echo(f"{p.name}: {p.problem}; run: {p.mend}")
