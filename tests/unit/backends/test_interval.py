"""The Wilson interval against published and defining values."""

import math

import pytest

from mep_neuro.backends.interval import interval


def test_against_newcombe():
    # Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3 (to four digits).
    assert interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@pytest.mark.parametrize(("correct", "samples"), [(430, 450), (1, 7), (99, 100)])
def test_the_ends_are_1_96_deviations_away(correct, samples):
    for end in interval(correct, samples):
        deviation = math.sqrt(end * (1 - end) / samples)  # of the proportion, were `end` the truth
        assert abs(correct / samples - end) / deviation == pytest.approx(1.959963984540054, rel=1e-12)


def test_all_and_none_reach_the_bounds():
    assert interval(0, 10)[0] == 0.0
    assert interval(10, 10)[1] == 1.0
    assert interval(10, 10)[0] == pytest.approx(1 - interval(0, 10)[1], rel=1e-12)


@pytest.mark.parametrize(("correct", "samples"), [(0, 0), (-1, 5), (6, 5)])
def test_impossible_counts(correct, samples):
    with pytest.raises(
        ValueError, match=f"interval: {correct} correct of {samples} samples; give 0 <= correct"
    ):
        interval(correct, samples)
