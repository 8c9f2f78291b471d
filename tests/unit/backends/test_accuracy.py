"""Accuracy carries its interval."""

import numpy as np
import pytest

from mep_neuro.backends.accuracy import accuracy, of_count


def test_the_fraction_and_its_wilson_interval() -> None:
    # Closed form for 9 of 10, Wilson's interval at 95 %: 0.5958 to 0.9821 (Brown, Cai and DasGupta 2001).
    measured = accuracy(np.arange(10), np.r_[np.arange(9), 0])
    assert (measured.value, measured.samples) == (0.9, 10)
    assert (measured.low, measured.high) == (pytest.approx(0.5958, abs=1e-4), pytest.approx(0.9821, abs=1e-4))
    assert of_count(9, 10) == measured


def test_predictions_of_other_samples_are_refused() -> None:
    with pytest.raises(ValueError, match=r"predictions \(3,\) for labels \(4,\); give one a sample"):
        accuracy(np.zeros(3, dtype=int), np.zeros(4, dtype=int))
