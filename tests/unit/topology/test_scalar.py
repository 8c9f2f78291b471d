"""Unquoted scalars mean what the core schema of YAML 1.2 says."""

import math

import pytest

from mep_neuro.topology.scalar import plain_scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1.0e-4", 0.0001),
        (".5", 0.5),
        ("5.", 5.0),
        ("-12", -12),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2001-01-01", "2001-01-01"),
        ("=", "="),
        ("TRUE", True),
        ("false", False),
        ("tRUE", "tRUE"),
        ("~", None),
        ("", None),
        ("-.INF", -math.inf),
        ("5 ms", "5 ms"),
        ("1e", "1e"),
        (".", "."),
        ("\u0661", "\u0661"),
    ],
)
def test_value(text: str, value: object) -> None:
    found = plain_scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_nan() -> None:
    found = plain_scalar(".nan")
    assert isinstance(found, float)
    assert math.isnan(found)
    assert plain_scalar("nan") == "nan"


def test_refuses_a_number_that_is_too_long() -> None:
    with pytest.raises(ValueError, match="a number of 401 characters; write at most 400"):
        plain_scalar("1" * 401)
