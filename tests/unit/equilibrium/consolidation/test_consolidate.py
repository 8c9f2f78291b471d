"""Consolidation by itself is one step of the learner, and leaves the network that it was given as it was."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import mep_neuro as mep
from mep_neuro.equilibrium.consolidation.consolidate import Consolidator
from mep_neuro.equilibrium.learning.learner import Learner
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.errors import SettleError, UpdateError
from mep_neuro.simulation.coupling import coupled_map, spectral_radius
from mep_neuro.simulation.network import Network
from mep_neuro.topology.reader import read_spec

FIRST, LAST = "projections.input_hidden.weight", "projections.hidden_output.weight"
METHODS = [{"method": "muon"}, {"method": "dion", "rank": 5}, {"method": "none"}]
methods = pytest.mark.parametrize("section", METHODS, ids=lambda s: str(s["method"]))


def network(section: dict[str, Any], **first: Any) -> Network:
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["learning"] |= {"optimizer": "sgd", "lr": 0.1, "momentum": 0.0}
    mapping["consolidation"] = {"lr": 0.05, "spectral_bound": 0.1, **section}
    mapping["projections"]["input_hidden"] |= first
    return mep.build(read_spec(mapping), 0)


def contrasts(of: Network, seed: int = 0) -> dict[str, NDArray[np.float64]]:
    draw = np.random.default_rng(seed)
    return {
        name: draw.normal(size=array.shape) for name, array in of.arrays().items() if "offset" not in name
    }


def test_a_loaded_network_is_taken_too_and_left_as_it_was() -> None:
    before = network({"method": "muon"})
    model, update = EquilibriumNetwork(before, torch.float64), contrasts(before)
    after, same = mep.consolidate(model, update).arrays(), mep.consolidate(before, update).arrays()
    assert all(np.array_equal(after[name], same[name]) for name in after)
    assert all(np.array_equal(array, before.arrays()[name]) for name, array in model.arrays().items())
    assert not np.array_equal(after[FIRST], before.arrays()[FIRST])


@methods
def test_it_is_a_step_of_the_learner(section: dict[str, Any]) -> None:
    before = network(section)
    update = contrasts(before)
    model = EquilibriumNetwork(before, torch.float64)
    Learner(model).update({name: torch.from_numpy(value) for name, value in update.items()}, 0.5)
    after = mep.consolidate(before, update, rate_factor=0.5).arrays()
    for name, array in model.arrays().items():
        assert np.array_equal(after[name], array), name


@methods
def test_the_network_stays_and_the_new_one_is_under_its_bound(section: dict[str, Any]) -> None:
    before = network(section)
    kept = {name: array.copy() for name, array in before.arrays().items()}
    update = contrasts(before)
    given = {name: array.copy() for name, array in update.items()}
    after = mep.consolidate(before, update)
    assert all(np.array_equal(array, kept[name]) for name, array in before.arrays().items())
    assert all(np.array_equal(array, given[name]) for name, array in update.items())
    assert not np.array_equal(after.arrays()[FIRST], kept[FIRST])
    assert spectral_radius(coupled_map(after)) <= 0.1
    assert spectral_radius(coupled_map(before)) > 0.1


def test_what_the_file_says_is_done() -> None:
    """Muon steps in every direction alike, Dion in five, and none along the sum itself."""
    steps = {}
    for section in METHODS:
        before = network(section)
        change = mep.consolidate(before, contrasts(before)).arrays()[FIRST] - before.arrays()[FIRST]
        values = np.linalg.svd(change, compute_uv=False)
        steps[section["method"]] = values
        if section["method"] == "none":
            assert np.allclose(change, 0.1 * contrasts(before)[FIRST], rtol=1e-12)
    assert float((steps["muon"] > 0.7 * steps["muon"][0]).mean()) > 0.8
    assert int((steps["dion"] > 1e-9 * steps["dion"][0]).sum()) == 5


def test_what_is_missing_and_what_is_not_plastic_stay() -> None:
    before = network({"method": "muon", "spectral_bound": 5.0}, plastic=False)
    after = mep.consolidate(before, {**contrasts(before)}).arrays()
    assert np.array_equal(after[FIRST], before.arrays()[FIRST])
    none = mep.consolidate(network({"method": "none", "spectral_bound": 5.0}), {}).arrays()
    assert all(np.array_equal(array, before.arrays()[name]) for name, array in none.items())


def test_a_series_keeps_its_momentum() -> None:
    before = network({"method": "muon"})
    one, two = contrasts(before, 0), contrasts(before, 1)
    series = Consolidator(before)
    together = series.step(series.step(before.arrays(), one, 1.0), two, 1.0)
    apart = mep.consolidate(mep.consolidate(before, one), two).arrays()
    assert not np.allclose(together[FIRST], apart[FIRST], atol=1e-3)


@pytest.mark.parametrize(
    ("update", "message"),
    [
        (
            {"weights": np.zeros(3)},
            r"^consolidate: weights: shape \(3,\) of the update.* none of pop.*; give",
        ),
        (
            {FIRST: np.zeros((2, 2))},
            r"^consolidate: projections\.input_hid.* network's is \(\d+, 64\); give",
        ),
    ],
    ids=["unknown", "shape"],
)
def test_an_update_that_does_not_fit_is_refused(update: dict[str, Any], message: str) -> None:
    with pytest.raises(UpdateError, match=message):
        mep.consolidate(network({"method": "muon"}), update)


def test_contrasts_of_torch_and_lists_are_taken_as_they_are() -> None:
    before = network({"method": "muon"})
    update = {FIRST: contrasts(before)[FIRST]}
    same = mep.consolidate(before, update).arrays()
    for other in (torch.from_numpy(update[FIRST]), update[FIRST].tolist()):
        after = mep.consolidate(before, {FIRST: other}).arrays()
        assert all(np.array_equal(after[name], same[name]) for name in after)


def test_a_contrast_that_is_not_finite_is_refused() -> None:
    before = network({"method": "muon"})
    update = contrasts(before)
    update[LAST][0, 0] = np.nan
    with pytest.raises(SettleError, match=r"^projections\.hidden_output\.weight: the contrast is not finite"):
        mep.consolidate(before, update)
