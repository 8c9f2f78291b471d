"""YAML text that is no YAML, or more than a topology needs, ends in mistakes with their place."""

import pytest

from mep_neuro.errors import TopologyError
from mep_neuro.topology.reader import parse_spec
from mep_neuro.topology.tree import MAX_DEPTH, data_of
from mep_neuro.topology.yaml_tree import parse_tree


def mistakes(text: str) -> list[str]:
    with pytest.raises(TopologyError) as caught:
        parse_spec(text, "my.yaml")
    return list(caught.value.mistakes)


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]")
    return "\n".join(lines)


def ladder(levels: int) -> str:
    """Aliases that nest: each is deeper than the file's own brackets show."""
    rungs = [f"a{n}: &a{n} [[[[[[[[*a{n - 1}]]]]]]]]" for n in range(1, levels)]
    return "\n".join(["a0: &a0 1", *rungs])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1, 2\nb: 3\n", "my.yaml:2:2: file: is no YAML while parsing a flow sequence: expected ','"),
        (
            "a: 1\n\tb: 2\n",
            "my.yaml:2:1: file: is no YAML while scanning for the next token: found character",
        ),
        ("a: b: c", "my.yaml:1:5: file: is no YAML: mapping values are not allowed here; check the brackets"),
        (
            "a: 'x",
            "my.yaml:1:6: file: is no YAML while scanning a quoted scalar: found unexpected end of stream",
        ),
        ("a: 1\n---\nb: 2", "my.yaml:2:1: file: a second document starts here; keep one network per file"),
        ("", "my.yaml: file: is empty; write a network, or copy one of the library"),
        ("# only a comment\n", "my.yaml: file: is empty; write a network"),
        ("%YAML 1.1\n---\nname: n\n", "file: '%YAML' asks for another version than 1.2; remove"),
        ("name: !foo n", "my.yaml:1:7: name: unknown tag '!foo'; remove it, the keys say what each value is"),
        ("name: !!python/object:os.system n", "my.yaml:1:7: name: unknown tag '!!python/object:os.system'"),
        (
            "name: n\nname: m\n",
            "my.yaml:2:1: name: duplicate key 'name', first on line 1; remove or rename one",
        ),
        (
            "seeds: {init: 1, init: 2}",
            "my.yaml:1:18: seeds.init: duplicate key 'init', first on line 1; remove",
        ),
        (
            "x: &x {}\nseeds:\n  <<: *x\n",
            "my.yaml:3:3: seeds.'<<': merge key '<<' is not part of YAML 1.2; write",
        ),
        ("5: 1", "my.yaml:1:1: file: the key 5 is no text; write it in quotes"),
        ("? [1, 2]\n: 1", "my.yaml:1:3: file: the key a list is no text; write it in quotes"),
        ("true: 1", "my.yaml:1:1: file: the key true is no text; write it in quotes"),
        ("name: *x", "my.yaml:1:7: name: unknown alias '*x'; define '&x' before it"),
        ("seeds: &s {init: *s}", "my.yaml:1:18: seeds.init: alias '*s' contains itself; write the value out"),
        ("name: a\x07b", "my.yaml:1:8: file: is no YAML: the character '\\x07' is not allowed; remove it"),
        (f"name: {'9' * 5000}", "my.yaml:1:7: name: a number of 5000 characters; write at most 400"),
        (bomb(9), "aliases expand to more than 500000 values; write the values out"),
        (ladder(9), "nested more than 32 deep; a network needs 6"),
        ("[" * 5000, "nested more than 32 deep; a network needs 6"),
        ("a: " + "{a: " * 5000, "nested more than 32 deep; a network needs 6"),
        ("- " * 5000, "nested more than 32 deep; a network needs 6"),
        ("[1, 2]", "my.yaml:1:1: file: a list does not fit; write a mapping of keys"),
        ("just text", "my.yaml:1:1: file: 'just text' does not fit; write a mapping of keys"),
    ],
)
def test_refuses(text: str, expected: str) -> None:
    found = mistakes(text)
    assert any(expected in line for line in found), found
    assert all("\n" not in line for line in found)


def test_depth_within_the_limit_is_read() -> None:
    root, found = parse_tree("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert not found
    assert root is not None
    assert str(data_of(root)).count("[") == MAX_DEPTH


def test_plain_aliases_are_read() -> None:
    root, found = parse_tree("a: &x {shape: [3]}\nb: *x\n")
    assert not found
    assert root is not None
    assert data_of(root) == {"a": {"shape": [3]}, "b": {"shape": [3]}}


def test_a_mistake_in_an_alias_is_placed_where_it_is_written() -> None:
    text = (
        "name: n\npopulations:\n  a: &p {shape: [0], role: input}\n  b: *p\n"
        "projections: {p: {pre: a, post: b, connector: {type: dense}}}\n"
    )
    assert "my.yaml:3:18: populations.b.shape[0]: 0 is out of range; write a number >= 1" in mistakes(text)


def test_a_byte_order_mark_and_windows_lines_are_read() -> None:
    root, found = parse_tree("a: 1\r\nb: 2\r\n")
    assert not found
    assert root is not None
    assert data_of(root) == {"a": 1, "b": 2}
