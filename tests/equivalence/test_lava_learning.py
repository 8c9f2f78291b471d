"""Lava's three-factor rule moves weights by the contrast of the phases, both directions alike."""

import numpy as np
import pytest

from mep_neuro.converters.to_lava import on_chip_learning as learning
from mep_neuro.converters.to_lava.environment import find
from mep_neuro.converters.to_lava.on_chip_learning import OnChipLearning, learn_on_chip
from mep_neuro.errors import ChipRangeError

INPUTS = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=float)
TARGETS = np.array([[0.0], [1.0], [1.0], [0.0]])


@pytest.fixture(autouse=True, scope="module")
def _environment() -> None:
    if find() is None:
        pytest.skip("lava environment not installed: run mep-neuro backend install lava")


def weights(seed: int, hidden: int = 16) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (hidden, 3)), rng.uniform(-0.3, 0.3, (1, hidden))


def settled(w: tuple[np.ndarray, ...], x: np.ndarray, nudge: np.ndarray | float = 0.0) -> list[np.ndarray]:
    """States of a free or nudged phase in real numbers, far beyond the steps of a phase."""
    h, o = np.zeros(w[0].shape[0]), np.zeros(1)
    for _ in range(400):
        h = 0.75 * h + 0.25 * np.clip(w[0] @ x + w[1].T @ o, 0, 1)
        o = 0.75 * o + 0.25 * np.clip(w[1] @ h + nudge, 0, 1)
    return [x, h, o]


def expected_change(w: tuple[np.ndarray, ...], x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    free = settled(w, x)
    nudged = settled(w, x, y - free[-1])
    pairs = zip(range(2), range(1, 3), strict=True)
    return [np.outer(nudged[j], nudged[i]) - np.outer(free[j], free[i]) for i, j in pairs]


def test_a_sample_moves_the_weights_by_its_contrast_and_nothing_without_the_third_factor() -> None:
    first = weights(1, hidden=6)
    done = learn_on_chip(first, INPUTS[1:2], TARGETS[1:2], epochs=1, stop_below=0.0)
    rounded = tuple(w[0] for w in done.weights)
    largest = 0.0
    for own, want in zip(done.weights, expected_change(rounded, INPUTS[1], TARGETS[1]), strict=True):
        moved = (own[1] - own[0]) * 128
        largest = max(largest, np.abs(moved).max())
        # One unit of rounding in the weight, one of each tag (1/16 of the weight's), states within 3 of 254.
        assert np.abs(moved - 128 * 0.125 * want).max() < 1.6
    assert largest > 4
    assert done.asymmetry == 0.0
    still = learn_on_chip(first, INPUTS[1:2], TARGETS[1:2], epochs=1, third_factor=False)
    for own in still.weights:
        np.testing.assert_array_equal(own[0], own[1])


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fixed", "float"])
def test_xor_is_learned_inside_lava(precision: str) -> None:
    done: OnChipLearning = learn_on_chip(weights(0), INPUTS, TARGETS, precision=precision)
    assert done.learned
    assert done.error[0] > 0.2
    assert done.asymmetry == 0.0


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ChipRangeError, match=r"^learning_rate: 0\.1 is no power of two from 2\^-7"):
        learn_on_chip(weights(0), INPUTS, TARGETS, learning_rate=0.1)
    with pytest.raises(ChipRangeError, match=r"^weights: 2\.5 is beyond the 1\.984 of an 8-bit w"):
        learn_on_chip((np.full((2, 3), 2.5), np.zeros((1, 2))), INPUTS, TARGETS)
    with pytest.raises(ChipRangeError, match=r"^inputs, targets: rates lie between 0 and 1; scale them$"):
        learn_on_chip(weights(0), INPUTS * 2, TARGETS)
    assert learning.S_MAX % 2 == 0
