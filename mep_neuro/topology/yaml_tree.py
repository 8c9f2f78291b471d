"""YAML text to a tree of values that know their line and column.

Built from ruamel.yaml's events rather than by its composer, which recurses (deep nesting
ends in a RecursionError), expands aliases without a limit and stops at the first mistake.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from mep_neuro.topology.mistakes import KeyPath, Mark, Mistake, shown
from mep_neuro.topology.scalar import plain_scalar
from mep_neuro.topology.tree import MAX_DEPTH, MAX_VALUES, Entry, Node, Unreadable, data_of


def parse_tree(text: str) -> tuple[Node | None, list[Mistake]]:
    """Read one YAML document.

    Returns:
        Its tree (None for an empty document), and the mistakes that did not stop the reading.

    Raises:
        Unreadable: The text is no YAML, or has more than one document, or is nested too deep.
    """
    builder = _Builder()
    try:
        for event in _events(text):
            builder.take(event)
    except _Stop as stop:
        raise Unreadable([*builder.mistakes, stop.args[0]]) from None
    return builder.root, builder.mistakes


class _Stop(Exception):
    """A mistake after which the reading cannot go on."""


def _events(text: str) -> Iterator[Any]:
    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except MarkedYAMLError as error:
        raise _Stop(_syntax(error)) from None
    except YAMLError as error:
        raise _Stop(_unreadable_character(text, error)) from None
    except (ValueError, IndexError, KeyError, AttributeError, TypeError, AssertionError) as error:
        # ruamel.yaml's scanner lets these out on some broken directives, escapes and tags.
        what = f"is no YAML ({type(error).__name__}); correct its directives, tags and escapes"
        raise _Stop(Mistake((), what)) from None


def _syntax(error: MarkedYAMLError) -> Mistake:
    mark = error.problem_mark or error.context_mark
    problem = " ".join(str(error.problem or error.context or "cannot be read").split())
    context = f" {' '.join(str(error.context).split())}" if error.problem and error.context else ""
    what = f"is no YAML{context}: {problem}; check the brackets, quotes, colons and indentation here"
    return Mistake((), what, None if mark is None else Mark(mark.line + 1, mark.column + 1))


def _unreadable_character(text: str, error: YAMLError) -> Mistake:
    position = getattr(error, "position", None)
    if not isinstance(position, int) or position >= len(text):
        return Mistake((), f"is no YAML ({' '.join(str(error).split())[:80]}); write it as text")
    before = text[:position]
    mark = Mark(before.count("\n") + 1, position - before.rfind("\n"))
    what = f"is no YAML: the character {text[position]!r} is not allowed; remove it (is this a text file?)"
    return Mistake((), what, mark)


@dataclass
class _Frame:
    """A mapping or list that is not closed yet."""

    node: Node
    anchor: str | None
    key: str | None = None  # of the value that comes next
    key_mark: Mark | None = None
    expects_value: bool = False
    skip: bool = False  # the value belongs to a wrong key


@dataclass
class _Builder:
    root: Node | None = None
    mistakes: list[Mistake] = field(default_factory=list)
    frames: list[_Frame] = field(default_factory=list)
    anchors: dict[str, Node] = field(default_factory=dict)
    documents: int = 0

    def take(self, event: Any) -> None:
        """Add one event of the parser to the tree."""
        handler = getattr(self, f"_{type(event).__name__}", None)
        if handler is not None:  # the rest are stream and document ends
            handler(event, Mark(event.start_mark.line + 1, event.start_mark.column + 1))

    def _path(self) -> KeyPath:
        steps: list[str | int] = []
        for frame in self.frames:
            if isinstance(frame.node.value, list):
                steps.append(len(frame.node.value))
            elif frame.expects_value and frame.key is not None:
                steps.append(frame.key)
        return tuple(steps)

    def _wrong(self, what: str, mark: Mark) -> Mistake:
        return Mistake(self._path(), what, mark)

    def _DocumentStartEvent(self, event: Any, mark: Mark) -> None:
        self.documents += 1
        if self.documents > 1:
            raise _Stop(Mistake((), "a second document starts here; keep one network per file", mark))
        if event.version is not None and tuple(event.version) != (1, 2):
            self.mistakes.append(
                Mistake((), "'%YAML' asks for another version than 1.2; remove that line", mark)
            )

    def _AliasEvent(self, event: Any, mark: Mark) -> None:
        name = str(event.anchor)
        if any(frame.anchor == name for frame in self.frames):
            raise _Stop(self._wrong(f"alias '*{name}' contains itself; write the value out", mark))
        if name not in self.anchors:
            raise _Stop(self._wrong(f"unknown alias '*{name}'; define '&{name}' before it", mark))
        self._attach(self.anchors[name], mark)

    def _ScalarEvent(self, event: Any, mark: Mark) -> None:
        self._tag(event, mark)
        node = Node(mark, event.value, empty=not event.value and event.style is None)
        if event.implicit[0]:
            try:
                node.value = plain_scalar(event.value)
            except ValueError as error:
                self.mistakes.append(self._wrong(str(error), mark))
        self._anchor(event.anchor, node)
        merge = event.implicit[0] and event.value == "<<"
        self._attach(node, mark, merge=merge)

    def _MappingStartEvent(self, event: Any, mark: Mark) -> None:
        self._open(event, Node(mark, {}), mark)

    def _SequenceStartEvent(self, event: Any, mark: Mark) -> None:
        self._open(event, Node(mark, []), mark)

    def _MappingEndEvent(self, event: Any, mark: Mark) -> None:
        self._close()

    def _SequenceEndEvent(self, event: Any, mark: Mark) -> None:
        self._close()

    def _open(self, event: Any, node: Node, mark: Mark) -> None:
        self._tag(event, mark)
        if len(self.frames) >= MAX_DEPTH:
            raise _Stop(self._wrong(f"nested more than {MAX_DEPTH} deep; a network needs 6", mark))
        self.frames.append(_Frame(node, event.anchor))

    def _close(self) -> None:
        frame = self.frames.pop()
        self._anchor(frame.anchor, frame.node)
        self._attach(frame.node, frame.node.mark)

    def _anchor(self, name: str | None, node: Node) -> None:
        if name is not None:
            self.anchors[str(name)] = node

    def _tag(self, event: Any, mark: Mark) -> None:
        if event.tag is not None:
            tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
            what = f"unknown tag {shown(tag)}; remove it, the keys say what each value is"
            self.mistakes.append(self._wrong(what, mark))

    def _attach(self, node: Node, mark: Mark, *, merge: bool = False) -> None:
        if not self.frames:
            self.root = node
            return
        frame = self.frames[-1]
        frame.node.size += node.size
        frame.node.depth = max(frame.node.depth, 1 + node.depth)
        if frame.node.size > MAX_VALUES:
            what = f"aliases expand to more than {MAX_VALUES} values; write the values out"
            raise _Stop(self._wrong(what, mark))
        if frame.node.depth > MAX_DEPTH:
            raise _Stop(self._wrong(f"nested more than {MAX_DEPTH} deep; a network needs 6", mark))
        if isinstance(frame.node.value, list):
            frame.node.value.append(node)
        elif not frame.expects_value:
            self._key(frame, node, mark, merge)
        else:
            if not frame.skip and frame.key is not None and frame.key_mark is not None:
                frame.node.value[frame.key] = Entry(frame.key_mark, node)
            frame.expects_value = False

    def _key(self, frame: _Frame, node: Node, mark: Mark, merge: bool) -> None:
        problem = None
        if merge:
            problem = "merge key '<<' is not part of YAML 1.2; write the keys out"
        elif not isinstance(node.value, str):
            problem = f"the key {shown(data_of(node))} is no text; write it in quotes"
        elif node.value in frame.node.value:
            first = frame.node.value[node.value].key_mark
            problem = (
                f"duplicate key {shown(node.value)}, first on line {first.line}; remove or rename one of them"
            )
        if problem is not None:
            path = (*self._path(), node.value) if isinstance(node.value, str) else self._path()
            self.mistakes.append(Mistake(path, problem, mark))
        frame.key = node.value if isinstance(node.value, str) else shown(None)
        frame.key_mark, frame.skip, frame.expects_value = mark, problem is not None, True
