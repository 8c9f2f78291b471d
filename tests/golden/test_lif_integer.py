"""Closed forms of the integer LIF: the interval of its spikes, the corners of its registers."""

import numpy as np
import pytest

from mep_neuro.chip.lif.circuit import LifCircuit, checked_start
from mep_neuro.errors import ChipRangeError
from mep_neuro.neurons.lif_integer import IntegerLif, LifState, decay, wrap


def column(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@pytest.mark.parametrize("current", [1000, 6400, 6401, 9999, 200000])
def test_a_constant_current_spikes_at_the_interval_of_its_closed_form(current: int) -> None:
    neuron, state = IntegerLif(du=4095, dv=0, vth=1000), IntegerLif(4095, 0, 1000).rest((1,))
    times = []
    for step in range(1, 400):
        state = neuron.step(state, column(0), column(current))
        if state.spikes[0]:
            times.append(step)
    interval = 64000 // current + 1
    assert times == list(range(interval, 400, interval))


def test_a_membrane_at_its_threshold_does_not_spike() -> None:
    neuron = IntegerLif(du=4095, dv=0, vth=10)
    state = neuron.step(neuron.rest((2,)), column(0, 0), column(640, 641))
    assert state.spikes.tolist() == [0, 1]
    assert state.v.tolist() == [640, 0]


def test_decays_round_the_magnitude_down() -> None:
    assert decay(column(5, -5, 4096, -1), 1).tolist() == [4, -4, 4095, 0]
    assert decay(column(5, -5), 0).tolist() == [5, -5]
    assert decay(column(5, -5), 4096).tolist() == [0, 0]


def test_the_current_wraps_above_two_to_the_23_and_at_its_negative() -> None:
    limit = 1 << 23
    got = wrap(column(limit, limit + 1, -limit, 1 - limit)).tolist()
    assert got == [limit, 1 - limit, limit, 1 - limit]


def test_the_membrane_is_clipped_and_a_current_of_one_step_is_forgotten() -> None:
    neuron = IntegerLif(du=4095, dv=0, vth=131071)
    state = LifState(column(77), column(-(1 << 23) + 1), column(0))
    after = neuron.step(state, column(-1), column(0))
    assert (after.u[0], after.v[0]) == (-64, -(1 << 23) + 1)


def test_what_leaves_the_registers_is_refused() -> None:
    from scipy.sparse import csr_matrix

    net = LifCircuit(IntegerLif(0, 0, 1), csr_matrix(np.full((2, 2), 254, np.int32)), 17)
    with pytest.raises(
        ChipRangeError, match=r"^weights: the \|weights\| into a unit sum to 66584576, beyond"
    ):
        checked_start(net, np.zeros((1, 2), int), None)
    small = LifCircuit(IntegerLif(0, 0, 1), csr_matrix(np.eye(2, dtype=np.int32)))
    with pytest.raises(ChipRangeError, match=r"^bias: 20000000 exceeds \+-16777216; lower it"):
        checked_start(small, np.full((1, 2), 20_000_000), None)
    with pytest.raises(ChipRangeError, match=r"give integers of shape \(samples, 2\)"):
        checked_start(small, np.zeros((1, 3), int), None)
    with pytest.raises(ChipRangeError, match=r"^start: u and v lie within"):
        checked_start(small, np.zeros((1, 2), int), LifState(*(np.full((1, 2), 1 << 24) for _ in range(3))))
    with pytest.raises(ChipRangeError, match=r"^start: registers of shape \(2, 2\)"):
        checked_start(small, np.zeros((1, 2), int), small.neuron.rest((2, 2)))
