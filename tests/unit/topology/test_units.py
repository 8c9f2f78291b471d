"""Times are read with their unit and written so that they read back."""

import pytest

from mep_neuro.topology.units import format_time, parse_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5 ms", 0.005), ("1e-3 s", 0.001), ("20us", 2e-5), ("3 ns", 3e-9), (" .5 s ", 0.5), ("+2. s", 2.0)],
)
def test_reads(text: str, seconds: float) -> None:
    assert parse_time(text) == pytest.approx(seconds, rel=1e-15)  # one rounding of the product


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("20 mS", "unknown unit 'mS' in '20 mS'; write a time, such as '20 ms'"),
        (5, "5 needs a unit of time; write for example '5 ms'"),
        ("5", "'5' needs a unit of time; write for example '5 ms'"),
        ("fast", "'fast' is no time; write a number and a unit, such as '20 ms'"),
        ("1e999 s", "'1e999 s' is not finite; write a time, such as '20 ms'"),
    ],
)
def test_refuses(value: object, expected: str) -> None:
    with pytest.raises(ValueError, match="time") as caught:
        parse_time(value)
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.005, "5 ms"), (2.0, "2 s"), (3e-7, "3e-07 s"), (1.5e-3, "1.5 ms")]
)
def test_writes_the_largest_fitting_unit(seconds: float, text: str) -> None:
    assert format_time(seconds) == text
