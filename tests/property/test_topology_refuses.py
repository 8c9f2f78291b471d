"""Whatever a file holds, reading it gives a specification or a TopologyError, and nothing else."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mep_neuro.errors import TopologyError
from mep_neuro.topology.library import library_path
from mep_neuro.topology.reader import parse_spec, read_spec
from mep_neuro.topology.spec import NetworkSpec

LIBRARY = [library_path(name).read_text() for name in ("xor", "digits_cube")]
PIECES = st.sampled_from(
    [
        *"[]{}:,-&*!|>'\"%@`#?~<=.\n\t\\\r\0\ufeff",
        *("...", "---", "<<: *a", "&a ", "*a", "!!int ", "!<x> ", "%YAML 9.9\n", "%TAG ! x\n", "\\x", '"\\'),
        *("null", "true", "1e999", ".nan", "-1", "0x", "[[", "{{", "size: 3", "? ", "|+9", "\u2028", "é"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
LINE = re.compile(r"my\.yaml:(\d+:\d+:)? [^\n]+: [^\n]+")


def read(text: str) -> None:
    """Read; a refusal must be in the form of a mistake, on one line each."""
    mistakes: tuple[str, ...] = ()
    try:
        assert isinstance(parse_spec(text, "my.yaml"), NetworkSpec)
    except TopologyError as error:
        mistakes = error.mistakes or ("no mistake was told",)
    assert [line for line in mistakes if not LINE.fullmatch(line)] == []


@given(st.data())
@settings(max_examples=150)
def test_an_edited_file(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(LIBRARY))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = text[:start] + data.draw(PIECES | st.text(max_size=3)) + text[end:]
    read(text)


@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=60))
@settings(max_examples=150)
def test_any_text(text: str) -> None:
    read(text)


@given(content=st.binary(max_size=60))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes(content)
    with pytest.raises(TopologyError):  # no 60 random bytes make a network
        read_spec(path)


PATHS = st.sampled_from(
    [
        ("name",),
        ("seeds",),
        ("seeds", "init"),
        ("neurons", "unit"),
        ("neurons", "unit", "tau_mem"),
        ("neurons", "unit", "model"),
        ("populations",),
        ("populations", "cube"),
        ("populations", "cube", "shape"),
        ("populations", "cube", "bias"),
        ("populations", "cube", "size"),
        ("populations", "input", "encoding"),
        ("populations", "output", "activation"),
        ("projections",),
        ("projections", "lattice", "pre"),
        ("projections", "lattice", "connector"),
        ("projections", "lattice", "connector", "type"),
        ("projections", "lattice", "connector", "neighbours"),
        ("projections", "lattice", "weight"),
        ("projections", "face_output", "calibrate"),
        ("equilibrium", "nudge", "beta"),
        ("learning", "epochs"),
        ("consolidation", "period"),
    ]
)


@given(place=PATHS, value=VALUES)
@settings(max_examples=200)
def test_any_value_in_any_place(place: tuple[str, ...], value: object) -> None:
    content = read_spec("digits_cube").to_mapping()
    section = content
    for key in place[:-1]:
        section = section[key]
    section[place[-1]] = value
    mistakes: tuple[str, ...] = ()
    try:
        assert isinstance(read_spec(content), NetworkSpec)
    except TopologyError as error:
        mistakes = error.mistakes
    assert [line for line in mistakes if "\n" in line] == []
