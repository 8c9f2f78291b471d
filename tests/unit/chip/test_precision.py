import numpy as np
import pytest

from mep_neuro.chip.precision import report
from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import quantize
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec

DENSE = {"type": "dense"}
SPEC = {
    "name": "net",
    "populations": {
        "in": {"shape": [2], "role": "input"},
        "a": {"shape": [3]},
        "b": {"shape": [1]},
        "out": {"shape": [1], "role": "output"},
    },
    "projections": {
        "in_a": {"pre": "in", "post": "a", "connector": DENSE},
        "a_b": {"pre": "a", "post": "b", "connector": DENSE},
        "b_out": {"pre": "b", "post": "out", "connector": DENSE, "feedback_gain": 0.5},
    },
}


def test_each_projection_between_settling_units_has_its_row():
    network = build(read_spec(SPEC))
    arrays = network.arrays()
    arrays["projections.a_b.weight"] = np.array([[254 / 256, 0.6 / 256, 0.0]])  # exact, rounds to 0, is 0
    arrays["projections.b_out.weight"] = np.array([[101 / 256]])  # 101, feedback 50.5 -> 50
    rows = report(quantize(network.with_arrays(arrays), read_profile("loihi2")))
    assert [row.projection for row in rows] == ["a_b", "b_out"]
    first, second = rows
    assert (first.scale, first.synapses, first.saturated, first.zeroed) == (1 / 256, 2, 2, 2)
    assert first.worst == pytest.approx(0.6 / 256)
    assert first.mean == pytest.approx(0.2 / 256)
    assert (second.synapses, second.saturated, second.zeroed) == (2, 0, 0)
    assert second.scale == 1 / 512  # its weights are small: an exponent of -1, and odd numbers as well
    assert second.worst == pytest.approx(0.5 / 256)
    assert second.mean == pytest.approx(0.25 / 256)
