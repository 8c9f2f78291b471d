"""The published JSON Schema takes what the reader takes and refuses its structural mistakes."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from mep_neuro.errors import TopologyError
from mep_neuro.topology.library import library_names, library_path
from mep_neuro.topology.reader import read_spec
from mep_neuro.topology.schema import json_schema, write_schema
from mep_neuro.topology.writer import write_spec

VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def content(name: str) -> Any:
    return YAML(typ="safe").load(library_path(name).read_text())


def test_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("name", library_names())
def test_takes_the_library_and_what_is_written(name: str) -> None:
    VALIDATOR.validate(content(name))
    VALIDATOR.validate(YAML(typ="safe").load(write_spec(read_spec(name))))


def test_takes_the_cube_shorthand() -> None:
    data = content("digits_cube")
    data["populations"]["cube"] = {"size": 6, "neighbours": 26, "neuron": "unit"}
    del data["projections"]["lattice"]
    VALIDATOR.validate(data)
    read_spec(data)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("neurons", "unit", "tau_mem"), 5),
        (("neurons", "unit", "tau_mem"), "5 mS"),
        (("neurons", "unit", "tau_mem"), "-5 ms"),
        (("equilibrium", "dt"), "1"),
        (("populations", "cube", "shape"), 6),
        (("populations", "cube", "shape"), []),
        (("populations", "cube", "shpae"), [6]),
        (("populations", "cube"), {"size": 6}),
        (("projections", "lattice", "connector"), {"type": "latice"}),
        (("projections", "lattice", "connector", "neighbours"), 8),
        (("projections", "lattice", "feedback_gain"), 0),
        (("learning", "lr"), "0.1"),
        (("seeds", "init"), -1),
        (("name",), "2net"),
        (("schema",), "mep-neuro/2"),
        (("schema_",), "mep-neuro/1"),
        (("populations", "a b"), {"shape": [1]}),
    ],
)
def test_refuses_what_the_reader_refuses(place: tuple[str, ...], value: object) -> None:
    data = content("digits_cube")
    section = data
    for key in place[:-1]:
        section = section[key]
    section[place[-1]] = value
    assert not VALIDATOR.is_valid(data)
    with pytest.raises(TopologyError):
        read_spec(data)


def test_is_written_to_a_file(tmp_path: Path) -> None:
    write_schema(tmp_path / "schema.json")
    assert json.loads((tmp_path / "schema.json").read_text()) == json_schema()
