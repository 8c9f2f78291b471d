"""Plain scalars of YAML 1.2: what 1e-3, no, 010 and .nan mean.

ruamel.yaml's own resolver still takes 1_000, 2001-01-01, = and << for special values;
this is the core schema of the standard alone.

Source: YAML 1.2.2, section 10.3.2 (https://yaml.org/spec/1.2.2/#1032-tag-resolution).
"""

import re

_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INF = re.compile(r"([-+]?)\.(?:inf|Inf|INF)")
_NAN = re.compile(r"\.(?:nan|NaN|NAN)")
LONGEST_NUMBER = 400  # digits; a double needs at most 17, and Python refuses to read above 4300


def plain_scalar(text: str) -> object:
    """The value of an unquoted scalar: None, bool, int, float or str.

    Raises:
        ValueError: The text is a number of more than 400 characters.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _NAN.fullmatch(text):
        return float("nan")
    infinite = _INF.fullmatch(text)
    if infinite:
        return float(f"{infinite[1]}inf")
    based, whole = _BASED.fullmatch(text), _INT.fullmatch(text)
    if not (based or whole or _FLOAT.fullmatch(text)):
        return text
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"a number of {len(text)} characters; write at most {LONGEST_NUMBER}")
    if based:
        return int(text, 0)
    return int(text) if whole else float(text)
