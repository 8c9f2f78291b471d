"""`mep-neuro backend install lava`: the private environment of a back end."""

from enum import StrEnum
from typing import Annotated

import typer

from mep_neuro.cli.output import note, print_json


class Action(StrEnum):
    """What can be done with a back end."""

    install = "install"


def backend(
    action: Annotated[Action, typer.Argument(help="What to do: install.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="The back end: lava.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Install a private environment, for Lava.

    \b
    Example:
      mep-neuro backend install lava
    makes it in your cache folder, or under MEP_NEURO_HOME; about 200 MB and some
    minutes. Where it is already there and works, nothing is changed.
    """
    from mep_neuro.backends.registry import BACKENDS, check_name, find_installer
    from mep_neuro.errors import UnknownBackendError

    check_name(name)
    install = find_installer(name)
    if install is None:
        raise UnknownBackendError(
            f"backend {action.value} '{name}': it has no environment of its own; run: {BACKENDS[name].mend}"
        )
    made = install(lambda sentence: note(f"{name}: {sentence} ...", quiet=json))
    if json:
        print_json({"backend": name, "version": made.version, "folder": made.folder})
    else:
        typer.echo(f"{name} {made.version} is installed in {made.folder}")
