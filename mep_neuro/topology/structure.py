"""Keys, types and ranges of a file against the models of spec.py, as mistakes."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from mep_neuro.topology.mistakes import NAME_RULE, KeyPath, Mistake, shown, unknown

_CHOICE = re.compile(r"'([^']*)'")


def structural_mistakes(model: type[BaseModel], data: Any, path: KeyPath = ()) -> list[Mistake]:
    """Everything in `data` that `model` refuses, `path` put before each place."""
    try:
        model.model_validate(data)
    except ValidationError as error:
        found = (
            _mistake(model, data, dict(item))
            for item in error.errors(include_url=False, include_context=True)
        )
        return [replace(m, path=(*path, *m.path)) for m in found if m is not None]
    return []


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys that a section of the file may have."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _mistake(model: type[BaseModel], data: Any, item: Mapping[str, Any]) -> Mistake | None:
    path = _path_in_file(data, item["loc"])
    kind, value, context = str(item["type"]), item["input"], item.get("ctx", {})
    if kind == "too_short" and len(value) >= context["min_length"]:
        return None  # pydantic counts only the items that were right; each wrong one is reported
    if kind == "extra_forbidden":
        section = _section_at(model, data, path[:-1])
        known = [] if section is None else keys_of(section)
        return Mistake(path, unknown("key", str(path[-1]), known), at_key=True)
    if kind == "missing":
        section = _section_at(model, data, path[:-1])
        return Mistake(path, f"is missing; add {_hint(section, str(path[-1]))}")
    if kind == "union_tag_invalid":
        path = (*path, "type")
    if kind in _BY_TYPE:
        return Mistake(path, _BY_TYPE[kind](value, context))
    if value is None:
        return Mistake(path, "is empty; write a value, or remove the key")
    return Mistake(path, f"{shown(value)} is refused ({item['msg']}); correct it")


def _hint(section: type[BaseModel] | None, key: str) -> str:
    field = None if section is None else section.model_fields.get(key)
    return f"'{key}'" if field is None or not field.description else f"'{key}' ({field.description})"


def _number(value: Any, wanted: str) -> str:
    if value is None:
        return f"is empty; write {wanted}"
    if isinstance(value, bool):
        return f"{shown(value)} is no number; write {wanted}"
    if isinstance(value, str):
        return f"{shown(value)} is text; write {wanted}, without quotes or unit"
    return f"{shown(value)} does not fit; write {wanted}"


def _type(value: Any, wanted: str) -> str:
    return f"is empty; write {wanted}" if value is None else f"{shown(value)} does not fit; write {wanted}"


def _pattern(value: Any, context: Mapping[str, Any]) -> str:
    if "updates" in str(context["pattern"]):
        return f"{shown(value)} is no period; write a number of updates, such as '10 updates'"
    return f"{shown(value)} is no name; {NAME_RULE}"


def _choice(value: Any, context: Mapping[str, Any]) -> str:
    expected = str(context.get("expected") or context.get("expected_tags"))
    known = _CHOICE.findall(expected)
    word = context.get("tag", value)
    if known and isinstance(word, str):
        return unknown("choice", word, known)
    return f"{_type(word, expected)}"


def _limit(sign: str, key: str) -> Callable[[Any, Mapping[str, Any]], str]:
    return lambda value, context: f"{shown(value)} is out of range; write a number {sign} {context[key]:g}"


_MAPPING = "a mapping of keys, such as {key: value}"
_BY_TYPE: dict[str, Callable[[Any, Mapping[str, Any]], str]] = {
    "literal_error": _choice,
    "union_tag_invalid": _choice,
    "union_tag_not_found": lambda value, context: "'type' is missing; write for example {type: dense}",
    "value_error": lambda value, context: str(context["error"]),
    "greater_than": _limit(">", "gt"),
    "greater_than_equal": _limit(">=", "ge"),
    "less_than": _limit("<", "lt"),
    "less_than_equal": _limit("<=", "le"),
    "finite_number": lambda value, context: f"{shown(value)} is not finite; write a finite number",
    "int_type": lambda value, context: _number(value, "a whole number"),
    "int_parsing_size": lambda value, context: _number(value, "a smaller whole number"),
    "float_type": lambda value, context: _number(value, "a number"),
    "bool_type": lambda value, context: _type(value, "true or false"),
    "string_type": lambda value, context: _type(value, "text"),
    "tuple_type": lambda value, context: _type(value, "a list, such as [64]"),
    "model_type": lambda value, context: _type(value, _MAPPING),
    "model_attributes_type": lambda value, context: _type(value, _MAPPING),
    "dict_type": lambda value, context: _type(value, _MAPPING),
    "string_pattern_mismatch": _pattern,
    "too_short": lambda value, context: (
        f"has {len(value)} of at least {context['min_length']} entries; add the rest"
    ),
    "too_long": lambda value, context: f"has {len(value)} entries; write at most {context['max_length']}",
}


def _path_in_file(data: Any, loc: tuple[int | str, ...]) -> KeyPath:
    """Pydantic's place without the name of the chosen union member ('lattice')."""
    path: list[int | str] = []
    for position, step in enumerate(loc):
        last = position == len(loc) - 1
        if isinstance(data, dict) and step not in data and not last and data.get("type") == step:
            continue
        path.append(step)
        known = (isinstance(data, dict) and step in data) or (
            isinstance(data, list) and step in range(len(data))
        )
        data = data[step] if known else None
    return tuple(path)


def _section_at(model: Any, data: Any, path: KeyPath) -> type[BaseModel] | None:
    """The model that a path of the file is validated against."""
    for step in path:
        data = data.get(step) if isinstance(data, dict) else None
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = next((f for n, f in model.model_fields.items() if step in (n, f.alias)), None)
            model = None if field is None else field.annotation
        else:
            arguments = get_args(model)
            model = arguments[1] if get_origin(model) is dict else None
        if get_origin(model) in (Union, UnionType):
            model = _member(get_args(model), data)
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


def _member(members: tuple[Any, ...], data: Any) -> type[BaseModel] | None:
    sections = [m for m in members if isinstance(m, type) and issubclass(m, BaseModel)]
    if len(sections) == 1:
        return sections[0]
    kind = data.get("type") if isinstance(data, dict) else None
    return next((s for s in sections if kind in get_args(s.model_fields["type"].annotation)), None)
