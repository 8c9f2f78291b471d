"""`mep-neuro schema`: the JSON Schema of topology files."""

from pathlib import Path
from typing import Annotated

import typer

from mep_neuro.cli.output import note, print_json


def schema(
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the schema here, not on stdout.")
    ] = None,
) -> None:
    """Print the JSON Schema of topology files, for completion in editors.

    \b
    Example:
      mep-neuro schema --out mep-neuro-1.schema.json
    and as the first line of a network's file beside it:
      # yaml-language-server: $schema=mep-neuro-1.schema.json
    """
    from mep_neuro.topology.schema import json_schema, write_schema

    if out is None:
        print_json(json_schema())
    else:
        write_schema(out)
        note(f"wrote {out}")
