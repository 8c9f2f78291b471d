"""A specification as YAML that `read_spec` reads back to the same one."""

from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from mep_neuro.errors import TopologyError
from mep_neuro.topology.schema import SCHEMA_NAME
from mep_neuro.topology.spec import NetworkSpec

_BLOCKS = ("neurons", "populations", "projections")  # one line an entry; other sections are one line


def write_spec(spec: NetworkSpec, schema: str = SCHEMA_NAME) -> str:
    """The text of a topology file, defaults written out.

    Args:
        spec: The specification.
        schema: Path or address of the JSON Schema, for the first line, which editors read.

    Raises:
        TopologyError: `schema` has more than one line.
    """
    if not schema.isprintable():
        raise TopologyError([f"schema: {schema!r} is no path on one line; give a path or an address"])
    yaml = YAML()
    yaml.width = 1_000_000
    text = StringIO()
    yaml.dump(_top(spec.to_mapping()), text)
    return f"# yaml-language-server: $schema={schema}\n{text.getvalue()}"


def _top(data: dict[str, Any]) -> CommentedMap:
    top = CommentedMap()
    for key, section in data.items():
        if key in _BLOCKS and section:
            block = CommentedMap()
            for name, entry in section.items():
                block[name] = _line(entry)
            top[key] = block
        else:
            top[key] = _line(section)
    return top


def _line(value: Any) -> Any:
    """A value in flow style: {shape: [6, 6, 6], neuron: unit}."""
    if isinstance(value, dict):
        mapping = CommentedMap()
        for key, item in value.items():
            mapping[key] = _line(item)
        mapping.fa.set_flow_style()
        return mapping
    if isinstance(value, list):
        sequence = CommentedSeq(_line(item) for item in value)
        sequence.fa.set_flow_style()
        return sequence
    return value
