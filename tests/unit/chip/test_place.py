"""Placement against counts made by hand."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from mep_neuro.chip.circuit import Circuit, circuit, with_pairs
from mep_neuro.chip.place import core_checks, place
from mep_neuro.chip.profile import ChipProfile, read_profile
from mep_neuro.errors import CapacityError
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec

LOIHI1 = read_profile("loihi1")
DIGITS = circuit(build(read_spec("digits_mlp")))


def with_limits(**values: int | None) -> ChipProfile:
    """Loihi with other limits."""
    changes = {
        name: getattr(LOIHI1, name).model_copy(update={"value": value}) for name, value in values.items()
    }
    return LOIHI1.model_copy(update=changes)


def test_the_digits_lie_on_one_core_of_loihi():
    (core,) = place(DIGITS, LOIHI1).cores
    assert core.units == {"hidden": 64, "output": 10}
    assert core.used == {
        "neurons_per_core": 74,
        "synapses_per_core": 1280,  # 64 x 10 and back
        "synapse_memory_per_core": 2880,  # at 18 bits
        "axons_in_per_core": 74,
        "axons_out_per_core": 74,
    }


def test_the_input_takes_its_units_and_synapses_where_it_is_on_the_chip():
    laid = circuit(build(read_spec("digits_mlp")), inputs_on_chip=True)
    assert laid.sizes == {"input": 64, "hidden": 64, "output": 10}
    assert (laid.count, laid.inputs, laid.host_products) == (64 * 64 + 1280, 64, 0)
    assert (DIGITS.count, DIGITS.inputs, DIGITS.host_products) == (1280, 0, 64 * 64)
    assert not np.asarray(laid.synapses[:64].sum())  # nothing drives the input


def test_a_softmax_read_out_is_the_host_s_and_sees_the_face():
    laid = circuit(build(read_spec("digits_cube")))
    assert laid.sizes == {"cube": 216}
    assert (laid.count, laid.outputs) == (2 * 1940, 36)
    assert laid.host_products == 64 * 36 + 36 * 10


def test_a_core_takes_as_many_units_as_the_first_limit_allows():
    assert len(place(DIGITS, with_limits(neurons_per_core=25)).cores) == 3
    # Hidden units have 10 synapses each of 18 bits: 23 bytes; 100 bytes hold 4 of them.
    placement = place(DIGITS, with_limits(synapse_memory_per_core=160))
    assert [sum(core.units.values()) for core in placement.cores[:3]] == [7, 7, 7]
    assert placement.cores[-1].units == {"output": 1}
    assert placement.cores[0].used["synapse_memory_per_core"] == 158  # 7 x 180 bits


def test_axons_are_counted_once_for_each_source_and_each_target_core():
    # Cores of 37 units: hidden 0-36; hidden 37-63 with output. Hidden units drive the second core alone.
    first, second = place(DIGITS, with_limits(neurons_per_core=37)).cores
    assert (first.used["axons_in_per_core"], second.used["axons_in_per_core"]) == (10, 74)
    assert (first.used["axons_out_per_core"], second.used["axons_out_per_core"]) == (37, 27 + 2 * 10)


def test_outgoing_axons_spread_the_units_over_more_cores():
    assert len(place(DIGITS, with_limits(axons_out_per_core=74)).cores) == 1
    placement = place(DIGITS, with_limits(axons_out_per_core=70))
    assert max(core.used["axons_out_per_core"] for core in placement.cores) <= 70
    assert len(placement.cores) == 2


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (
            {"axons_in_per_core": 9},
            r"population 'hidden', one unit alone: axons in per core 10 exceeds 9 \(hardware/loihi1.yaml: "
            r"axons_in_per_core; Davies .*\); let fewer units drive each unit",
        ),
        (
            {"synapse_memory_per_core": 100},
            r"population 'output', one unit alone: synapse memory per core 144 exceeds 100 .*; use fewer syn",
        ),
        (
            {"cores": 2, "neurons_per_core": 30},
            r"network 'digits_mlp': cores 3 exceeds 2 \(.*\); use fewer units",
        ),
        (
            {"axons_out_per_core": 2},
            r"core \d+: axons out per core \d+ exceeds 2 \(.*\); let each unit drive units",
        ),
    ],
)
def test_what_does_not_fit_is_told_with_value_limit_and_what_to_do(limits, message):
    with pytest.raises(CapacityError, match=message):
        place(DIGITS, with_limits(**limits))


def test_the_fullest_core_is_held_against_each_limit():
    placement = place(DIGITS, LOIHI1)
    checks = {check.limit: check for check in core_checks(DIGITS, placement, LOIHI1)}
    assert (checks["neurons_per_core"].value, checks["neurons_per_core"].verdict) == (74, "fits")
    assert (checks["synapses_per_core"].value, checks["synapses_per_core"].verdict) == (1280, "unknown")
    assert placement.cores[0].load(LOIHI1) == (74 / 1024, "neurons_per_core")


def test_two_synapses_a_weight_take_twice_the_room():
    laid = Circuit("net", {"a": 2}, csr_matrix(np.array([[0, 1], [1, 0]], dtype=np.int8)), 0, 2, 0)
    (core,) = place(laid, with_limits(synapses_per_weight=2)).cores
    assert core.used["synapses_per_core"] == 4


def test_units_without_synapses_have_a_place():
    laid = Circuit("net", {"a": 3}, csr_matrix((3, 3), dtype=np.int8), 0, 3, 0)
    (core,) = place(laid, LOIHI1).cores
    assert (core.units, core.used["axons_in_per_core"]) == ({"a": 3}, 0)


def test_pairs_have_twice_the_neurons_and_four_times_the_synapses():
    pairs = with_pairs(DIGITS)
    assert pairs.sizes == {"hidden": 64, "output": 10, "hidden, second": 64, "output, second": 10}
    assert (pairs.size, pairs.count, pairs.outputs) == (148, 5120, 10)
    both = pairs.synapses.toarray()
    for rows in (slice(0, 74), slice(74, 148)):
        for columns in (slice(0, 74), slice(74, 148)):
            np.testing.assert_array_equal(both[rows, columns], DIGITS.synapses.toarray())
