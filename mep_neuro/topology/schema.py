"""The JSON Schema of topology files, for editors."""

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from mep_neuro.topology.shorthand import Cube
from mep_neuro.topology.spec import NetworkSpec

SCHEMA_NAME = "mep-neuro-1.schema.json"
TIME_PATTERN = r"^\s*\+?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*(s|ms|us|ns)\s*$"
NAME_PATTERN = "^[A-Za-z][A-Za-z0-9_-]{0,63}$"
_TIMES = (("Neuron", "tau_mem"), ("Equilibrium", "dt"))
_DEFAULT_TIMES = {"tau_mem": "5 ms", "dt": "1 ms"}


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a topology file.

    It states keys, types and ranges; what relates one part of a file to another is checked by
    `read_spec` alone.
    """
    _, schema = models_json_schema(
        [(NetworkSpec, "validation"), (Cube, "validation")], by_alias=True, title="mep-neuro topology"
    )
    sections = schema["$defs"]
    network = sections.pop("NetworkSpec")
    for section, key in _TIMES:
        entry = sections[section]["properties"][key]
        entry.pop("exclusiveMinimum", None)
        entry.update(type="string", pattern=TIME_PATTERN, default=_DEFAULT_TIMES[key])
    for key in ("neurons", "populations", "projections"):
        network["properties"][key]["propertyNames"] = {"pattern": NAME_PATTERN}
    populations = network["properties"]["populations"]
    populations["additionalProperties"] = {
        "if": {"required": ["size"]},
        "then": {"$ref": "#/$defs/Cube"},
        "else": {"$ref": "#/$defs/Population"},
    }
    network["properties"]["projections"].pop("minProperties", None)  # a cube brings its own
    required = [key for key in network["required"] if key != "projections"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **network,
        "required": required,
        "$defs": sections,
    }


def write_schema(path: Path) -> None:
    """Write the JSON Schema to a file."""
    path.write_text(json.dumps(json_schema(), indent=2) + "\n", encoding="utf-8")
