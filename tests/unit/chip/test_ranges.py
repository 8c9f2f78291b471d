import numpy as np
import pytest

from mep_neuro.chip.ranges import fitting_exponent


@pytest.mark.parametrize("high", [128, 224, 248, 252, 254])
def test_the_exponent_is_exact_where_logarithms_round(high):
    for exponent in range(-40, 60):
        largest = np.ldexp(float(high), -exponent)
        assert fitting_exponent(largest, high) == exponent
        assert fitting_exponent(np.nextafter(largest, np.inf), high) == exponent - 1
        assert fitting_exponent(np.nextafter(largest, 0), high) == exponent
