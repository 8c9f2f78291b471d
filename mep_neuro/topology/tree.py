"""The values of a topology file with the line and column of each, within limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from mep_neuro.topology.mistakes import KeyPath, Mark, Mistake, shown

MAX_DEPTH = 32  # the format needs 6; the walks over a tree recurse
MAX_VALUES = 500_000  # a 4 MB file of projections holds about 400 000; above, aliases multiply


@dataclass(eq=False)
class Node:
    """A value of the file: a scalar, a list of nodes, or entries by key.

    `size` and `depth` count what is below, aliases expanded; an `empty` one has no text.
    """

    mark: Mark
    value: Any
    size: int = 1
    depth: int = 1
    empty: bool = False


@dataclass(frozen=True)
class Entry:
    """One key of a mapping and its value."""

    key_mark: Mark
    node: Node


def data_of(node: Node) -> Any:
    """The plain Python value of a tree."""
    if isinstance(node.value, dict):
        return {key: data_of(entry.node) for key, entry in node.value.items()}
    if isinstance(node.value, list):
        return [data_of(item) for item in node.value]
    return node.value


def mark_of(root: Node, path: KeyPath, *, at_key: bool = False) -> Mark:
    """Where a path of keys stands; of its longest part that exists.

    A scalar or a list is marked itself; a mapping, and what is missing, at its key.
    `at_key` marks the key of a scalar or list too.
    """
    node, mark = root, root.mark
    for step in path:
        if isinstance(node.value, dict) and step in node.value:
            entry = node.value[step]
            node, mark = entry.node, entry.key_mark
        elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            mark = node.mark
        else:
            return mark
    return mark if at_key or isinstance(node.value, dict) or node.empty else node.mark


class Unreadable(Exception):
    """The rest of the file cannot be read; holds every mistake up to there."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        """Take the mistakes."""
        super().__init__(f"{len(mistakes)} mistakes")
        self.mistakes = mistakes


def plain_data(value: object) -> tuple[Any, list[Mistake]]:
    """Python values as a YAML file would give them: dict, list, str, int, float, bool, None.

    Raises:
        Unreadable: The value is nested too deep (or contains itself), or is too large.
    """
    mistakes: list[Mistake] = []
    left = [MAX_VALUES]
    return _plain(value, (), mistakes, left), mistakes


def _plain(value: Any, path: KeyPath, mistakes: list[Mistake], left: list[int]) -> Any:
    left[0] -= 1
    if left[0] < 0:
        raise Unreadable([*mistakes, Mistake((), f"has more than {MAX_VALUES} values; write a smaller one")])
    if len(path) > MAX_DEPTH:
        what = f"nested more than {MAX_DEPTH} deep; a network needs 6"
        raise Unreadable([*mistakes, Mistake(path[:6], what)])
    if isinstance(value, Mapping):
        return _plain_mapping(value, path, mistakes, left)
    if isinstance(value, list | tuple):
        return [_plain(item, (*path, place), mistakes, left) for place, item in enumerate(value)]
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    what = f"a {type(value).__name__} is no value of a topology; write text, a number, a list or a mapping"
    mistakes.append(Mistake(path, what))
    return None


def _plain_mapping(
    value: Mapping[Any, Any], path: KeyPath, mistakes: list[Mistake], left: list[int]
) -> dict[str, Any]:
    data = {}
    for key, item in value.items():
        if isinstance(key, str):
            data[str(key)] = _plain(item, (*path, str(key)), mistakes, left)
        else:
            mistakes.append(Mistake(path, f"the key {shown(key)} is no text; write it in quotes"))
    return data
