"""Times with units: text in files, seconds inside."""

import math
import re

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_TIME = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([A-Za-zµ]*)\s*")


def parse_time(value: object) -> float:
    """Seconds from text such as '5 ms'.

    Raises:
        ValueError: The text is not a number and a unit of time; the message says what to write.
    """
    if not isinstance(value, str):
        raise ValueError(f"{value!r} needs a unit of time; write for example '{value} ms'")
    match = _TIME.fullmatch(value)
    if match is None:
        raise ValueError(f"{value!r} is no time; write a number and a unit, such as '20 ms'")
    number, unit = match.groups()
    if not unit:
        raise ValueError(f"{value!r} needs a unit of time; write for example '{value.strip()} ms'")
    if unit not in _SECONDS:
        raise ValueError(f"unknown unit '{unit}' in '{value}'; write a time, such as '20 ms'")
    seconds = float(number) * _SECONDS[unit]
    if not math.isfinite(seconds):
        raise ValueError(f"'{value}' is not finite; write a time, such as '20 ms'")
    return seconds


def format_time(seconds: float) -> str:
    """Text that `parse_time` reads back to the same number, in the largest fitting unit."""
    for unit, size in _SECONDS.items():
        text = f"{float(f'{seconds / size:.12g}'):g} {unit}"
        if seconds >= size and math.isfinite(seconds / size) and parse_time(text) == seconds:
            return text
    return f"{seconds!r} s"
