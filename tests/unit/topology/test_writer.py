"""What is written starts with the schema's line and is read back to the same specification."""

import pytest

from mep_neuro.errors import TopologyError
from mep_neuro.topology.library import library_names
from mep_neuro.topology.reader import parse_spec, read_spec
from mep_neuro.topology.writer import write_spec


@pytest.mark.parametrize("name", library_names())
def test_reads_back(name: str) -> None:
    assert parse_spec(write_spec(read_spec(name))) == read_spec(name)


def test_names_the_schema_in_the_first_line() -> None:
    text = write_spec(read_spec("xor"), schema="../a.json")
    assert text.splitlines()[0] == "# yaml-language-server: $schema=../a.json"
    assert text.splitlines()[1] == "schema: mep-neuro/1"


def test_each_population_and_projection_is_one_line() -> None:
    lines = write_spec(read_spec("digits_cube")).splitlines()
    entries = [line for line in lines if line.startswith("  ")]
    assert len(entries) == 1 + 3 + 3
    assert all(line.endswith("}") for line in entries)


def test_refuses_a_schema_of_two_lines() -> None:
    with pytest.raises(
        TopologyError, match=r"schema: 'a\\nb' is no path on one line; give a path or an addr"
    ):
        write_spec(read_spec("xor"), schema="a\nb")


def test_names_that_look_like_other_values_read_back() -> None:
    populations = {
        "true": {"shape": [2], "role": "input"},
        "no": {"shape": [3], "bias": 1e-300},
        "null": {"shape": [1], "role": "output", "bias": -1e300},
    }
    dense = {"connector": {"type": "dense"}}
    projections = {
        "on": {"pre": "true", "post": "no[0]", **dense},
        "off": {"pre": "no", "post": "null", **dense},
    }
    spec = read_spec({"name": "y", "populations": populations, "projections": projections})
    assert parse_spec(write_spec(spec)) == spec
