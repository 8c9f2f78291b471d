"""The energy weight k is 1 where the cost pulls, in every part of the network apart from the others."""

import numpy as np

from mep_neuro.simulation.energy import energy_weights
from mep_neuro.simulation.synapses import Synapses


def synapses(pairs: list[tuple[int, int]], gain: float) -> Synapses:
    pre, post = np.array(pairs, dtype=np.intp).T
    return Synapses(pre, post, np.arange(len(pairs)), np.full(len(pairs), gain))


def test_a_nudged_unit_that_no_unit_joins_has_the_weight_of_the_others() -> None:
    found = energy_weights(
        {"first": 2, "second": 3},
        {"sparse": ("first", "second", synapses([(0, 0), (1, 0), (1, 2)], 0.25))},
        {"second": np.arange(3)},
    )
    assert found["second"].weight.tolist() == [1.0, 1.0, 1.0]  # unit 1 stands alone
    assert np.allclose(found["first"].weight * 2.0 ** found["first"].exponent, 4.0, rtol=1e-12)


def test_each_branch_counts_from_its_own_read_out() -> None:
    sizes = dict.fromkeys(("a", "b", "c", "d"), 1)
    links = {"one": ("a", "b", synapses([(0, 0)], 0.5)), "two": ("c", "d", synapses([(0, 0)], 0.125))}
    found = energy_weights(sizes, links, {"b": np.arange(1), "d": np.arange(1)})
    weights = {name: float(k.weight[0]) * 2.0**k.exponent for name, k in found.items()}
    assert np.allclose([weights[name] for name in "abcd"], [2.0, 1.0, 8.0, 1.0], rtol=1e-12)
