"""Whatever the network and the limits: no core exceeds one, every unit lies on one core, nothing is lost."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from mep_neuro.chip.circuit import Circuit
from mep_neuro.chip.place import PER_CORE, Placement, place
from mep_neuro.chip.profile import ChipProfile, read_profile
from mep_neuro.errors import CapacityError

LOIHI1 = read_profile("loihi1")


def exceeded(circuit: Circuit, placement: Placement, profile: ChipProfile) -> set[str]:
    """Limits that a placement breaks, counted from the matrix alone."""
    matrix, broken = circuit.synapses.toarray(), set()
    for core in range(len(placement.cores)):
        own = placement.core_of == core
        rows = matrix[own]
        targets = {
            (pre, placement.core_of[post]) for post, pre in zip(*np.nonzero(matrix), strict=True) if own[pre]
        }
        used = {
            "neurons_per_core": int(own.sum()),
            "synapse_memory_per_core": rows.sum() * profile.bits_per_synapse.value / 8,
            "axons_in_per_core": int(rows.any(axis=0).sum()),
            "axons_out_per_core": len(targets),
        }
        broken |= {limit for limit, value in used.items() if value > getattr(profile, limit).value}
    return broken


@st.composite
def cases(draw):
    size = draw(st.integers(1, 25))
    matrix = draw(st.integers(0, 2**32 - 1).map(lambda s: np.random.default_rng(s).random((size, size))))
    matrix = (matrix < draw(st.sampled_from([0.05, 0.3, 0.9]))).astype(np.int8)
    split = draw(st.integers(0, size))
    values = {
        "neurons_per_core": draw(st.integers(1, 30)),
        "synapse_memory_per_core": draw(st.integers(10, 600)),
        "axons_in_per_core": draw(st.integers(3, 40)),
        "axons_out_per_core": draw(st.integers(3, 60)),
    }
    changes = {n: getattr(LOIHI1, n).model_copy(update={"value": v}) for n, v in values.items()}
    sizes = {"a": split, "b": size - split}
    return Circuit("net", sizes, csr_matrix(matrix), 0, 1, 0), LOIHI1.model_copy(update=changes)


@given(cases())
def test_no_core_exceeds_a_limit(case):
    laid, profile = case
    try:
        placement = place(laid, profile)
    except CapacityError:
        return
    assert not exceeded(laid, placement, profile)
    assert sum(sum(core.units.values()) for core in placement.cores) == laid.size
    assert sum(core.used["synapses_per_core"] for core in placement.cores) == laid.count
    assert set(PER_CORE) == set(placement.cores[0].used)


def test_the_count_finds_a_core_that_is_too_full():
    laid = Circuit("net", {"a": 4}, csr_matrix(np.ones((4, 4), dtype=np.int8)), 0, 1, 0)
    roomy = place(laid, LOIHI1)
    small = {
        n: getattr(LOIHI1, n).model_copy(update={"value": 3}) for n in PER_CORE if n != "synapses_per_core"
    }
    assert exceeded(laid, roomy, LOIHI1.model_copy(update=small)) == set(PER_CORE) - {"synapses_per_core"}
