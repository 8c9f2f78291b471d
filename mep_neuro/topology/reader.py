"""Reading a topology: every mistake of a file at once, or a specification."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mep_neuro.errors import TopologyError
from mep_neuro.topology.draft import draft_of_data, draft_of_spec
from mep_neuro.topology.mistakes import KeyPath, Mark, Mistake, dotted, shown, unknown
from mep_neuro.topology.population_checks import population_mistakes
from mep_neuro.topology.predictive_checks import predictive_mistakes
from mep_neuro.topology.projection_checks import projection_mistakes
from mep_neuro.topology.shorthand import resolve_cubes
from mep_neuro.topology.source import path_of, text_of
from mep_neuro.topology.spec import NetworkSpec
from mep_neuro.topology.spiking_checks import spiking_mistakes
from mep_neuro.topology.structure import keys_of, structural_mistakes
from mep_neuro.topology.training_checks import training_mistakes
from mep_neuro.topology.tree import Node, Unreadable, data_of, mark_of, plain_data
from mep_neuro.topology.yaml_tree import parse_tree


def read_spec(source: str | Path | Mapping[str, Any]) -> NetworkSpec:
    """Read and check a topology.

    Args:
        source: The name of a library network ('xor'), the path of a YAML file, or the content
            of one as a mapping.

    Returns:
        The specification, shorthand written out.

    Raises:
        TopologyError: Holds every mistake, each `file:line:column: where: what; what to do`
            (without file, line and column for a mapping).
    """
    if isinstance(source, Mapping):
        return _read_mapping(source)
    if not isinstance(source, str | Path):
        what = f"{shown(source)} is no topology; give a library name, a path or a mapping"
        raise TopologyError([f"source: {what}"])
    return parse_spec_file(path_of(source))


def parse_spec(text: str, label: str = "text") -> NetworkSpec:
    """Read a topology from YAML text; `label` stands for the file in messages.

    Raises:
        TopologyError: Holds every mistake.
    """
    try:
        root, mistakes = parse_tree(text)
    except Unreadable as error:
        raise _error(error.mistakes, label, None) from None
    if root is None:
        raise _error([Mistake((), "is empty; write a network, or copy one of the library")], label, None)
    spec, more, origins = _checked(data_of(root))
    if spec is None or mistakes:
        raise _error([*mistakes, *more], label, root, origins)
    return spec


def parse_spec_file(path: Path) -> NetworkSpec:
    """Read a topology file.

    Raises:
        TopologyError: Holds every mistake.
    """
    try:
        text = text_of(path)
    except Unreadable as error:
        raise _error(error.mistakes, str(path), None) from None
    return parse_spec(text, str(path))


def located(error: TopologyError, source: str | Path) -> TopologyError:
    """The same error with file, line and column, where it came from a room above (`build`).

    Args:
        error: Mistakes `where: what; what to do`, in which `where` is a path of plain keys.
        source: What `read_spec` was given.
    """
    path = path_of(source)
    root, _ = parse_tree(text_of(path))
    mistakes = []
    for line in error.mistakes:
        where, _, text = line.partition(": ")
        mistakes.append(Mistake(tuple(where.split(".")), text))
    return _error(mistakes, str(path), root)


def _read_mapping(source: Mapping[str, Any]) -> NetworkSpec:
    try:
        data, mistakes = plain_data(source)
    except Unreadable as error:
        raise _error(error.mistakes, "", None) from None
    spec, more, origins = _checked(data)
    if spec is None or mistakes:
        raise _error([*mistakes, *more], "", None, origins)
    return spec


def _checked(data: Any) -> tuple[NetworkSpec | None, list[Mistake], dict[KeyPath, KeyPath]]:
    """The specification of plain data, or its mistakes; and where written-out shorthand comes from."""
    resolved = resolve_cubes(data)
    mistakes = [*resolved.mistakes, *structural_mistakes(NetworkSpec, resolved.data)]
    mistakes += _hidden_alias(resolved.data)
    if mistakes:
        draft = draft_of_data(resolved.data, resolved.broken)
    else:
        spec = NetworkSpec.model_validate(resolved.data)
        draft = draft_of_spec(spec)
    mistakes += [*population_mistakes(draft), *projection_mistakes(draft), *training_mistakes(draft)]
    mistakes += [*predictive_mistakes(draft), *spiking_mistakes(draft)]
    return (None if mistakes else spec), mistakes, resolved.origins


def _hidden_alias(data: Any) -> list[Mistake]:
    """`schema_` is the Python name of the key `schema`; pydantic takes both, the file has one."""
    if isinstance(data, dict) and "schema_" in data:
        return [Mistake(("schema_",), unknown("key", "schema_", keys_of(NetworkSpec)), at_key=True)]
    return []


def _error(
    mistakes: Iterable[Mistake],
    label: str,
    root: Node | None,
    origins: Mapping[KeyPath, KeyPath] | None = None,
) -> TopologyError:
    placed = [_placed(mistake, root, origins or {}) for mistake in mistakes]
    if root is not None:
        placed.sort(key=lambda pair: pair[0] or Mark(0, 0))
    lines = (_line(label, mark, mistake) for mark, mistake in placed)
    return TopologyError(list(dict.fromkeys(lines)))


def _placed(
    mistake: Mistake, root: Node | None, origins: Mapping[KeyPath, KeyPath]
) -> tuple[Mark | None, Mistake]:
    origin = origins.get(mistake.path[:2])
    if origin is not None:
        mistake = replace(mistake, path=(*origin, *mistake.path[2:]))
    mark = mistake.mark or (None if root is None else mark_of(root, mistake.path, at_key=mistake.at_key))
    return mark, mistake


def _line(label: str, mark: Mark | None, mistake: Mistake) -> str:
    place = f"{mark.line}:{mark.column}:" if mark is not None else ""
    start = f"{label}:{place} " if label else ""
    line = f"{start}{dotted(mistake.path)}: {mistake.text}"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)  # names may hold line ends
