"""What a sample settles to does not depend on the samples beside it, on their order or on threads."""

import hashlib
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.load import load
from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.learning.trainer import Trainer
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase, nudged_phase
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec

SAMPLES = 24
DATA = load_data("digits")
FEATURES, LABELS = DATA.x_train[:SAMPLES], DATA.y_train[:SAMPLES]
DTYPES = {"float64": torch.float64, "float32": torch.float32}
# Products of other shapes sum in another order: some hundred terms near 1, over 1 - radius. The
# nudged response is divided by beta, down to 1e-3 where max_current lowers it.
ROUNDING = {torch.float64: 1e-11, torch.float32: 1e-3}
# A sample whose residual lies at the tolerance may rest a step earlier for that rounding.
FIRM = {torch.float64: 1e-10, torch.float32: 1e-5}


@cache  # a settle leaves the model as it was
def model_of(name: str, dtype: torch.dtype) -> EquilibriumNetwork:
    return EquilibriumNetwork(build(read_spec(name)), dtype)


def phases(model: EquilibriumNetwork, rows: list[int]) -> dict[str, torch.Tensor]:
    """States of both phases of some samples, in their order."""
    features = torch.from_numpy(FEATURES[rows])
    target = torch.eye(10, dtype=model.dtype)[LABELS[rows]]
    firm = FIRM[model.dtype]
    free = free_phase(model, features, tolerance=firm, max_steps=400)
    nudged = nudged_phase(model, free, target, tolerance=firm, max_steps=400)
    slopes = {f"slope of {n}": r.slope for n, r in nudged.responses.items() if r.slope is not None}
    return {**free.point.states, **slopes, "residual": free.point.residual}


@cache
def phases_of_all(name: str, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    return phases(model_of(name, dtype), list(range(SAMPLES)))


@settings(max_examples=15)
@given(
    st.sampled_from(["digits_mlp", "digits_cube"]),
    st.sampled_from(sorted(DTYPES)),
    st.lists(st.integers(0, SAMPLES - 1), min_size=1, max_size=9),
)
def test_any_batch_in_any_order(name: str, dtype_name: str, rows: list[int]) -> None:
    dtype = DTYPES[dtype_name]
    some, everything = phases(model_of(name, dtype), rows), phases_of_all(name, dtype)
    for key, value in some.items():
        worst = float((value - everything[key][rows]).abs().max())
        assert worst <= (2 * FIRM[dtype] if key == "residual" else ROUNDING[dtype] + 10 * FIRM[dtype]), key


def test_the_comparison_sees_a_sample_in_anothers_place() -> None:
    everything = phases_of_all("digits_mlp", torch.float32)
    moved = everything["hidden"][[1, 0]] - everything["hidden"][:2]
    assert float(moved.abs().max()) > 0.1


@pytest.mark.parametrize("name", ["digits_mlp", "digits_cube"])
def test_the_contrast_of_a_batch_is_the_mean_of_its_samples(name: str) -> None:
    """Nothing but the last division knows the size of the batch."""
    model = model_of(name, torch.float64)

    def of(rows: list[int]) -> dict[str, torch.Tensor]:
        free = free_phase(model, torch.from_numpy(FEATURES[rows]), tolerance=1e-12, max_steps=400)
        target = torch.eye(10, dtype=torch.float64)[LABELS[rows]]
        return contrast(model, free, nudged_phase(model, free, target, tolerance=1e-12, max_steps=400))

    whole = of([0, 1, 2, 3, 4])
    parts = [of([row]) for row in range(5)]
    for key, value in whole.items():
        mean = torch.stack([part[key] for part in parts]).mean(0)
        assert torch.allclose(value, mean, rtol=0, atol=1e-10), key


def digest_of_training() -> str:
    """Of every weight and all state after a short training from seed 7."""
    digest = hashlib.sha256()
    for name in ("digits_mlp", "digits_cube"):
        trainer = Trainer(load(name, seed=7), DATA.x_train[:128], DATA.y_train[:128], epochs=1)
        trainer.prepare()
        while not trainer.finished:
            trainer.advance()
        for key, value in sorted({**trainer.model.arrays(), **trainer.state()}.items()):
            digest.update(key.encode() + value.tobytes())
    return digest.hexdigest()


def digests() -> list[str]:
    """With one thread and with two."""
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(digest_of_training())
    finally:
        torch.set_num_threads(before)
    return found


def test_a_seed_gives_the_same_bits_in_another_process_for_each_number_of_threads() -> None:
    child = subprocess.run([sys.executable, __file__], stdout=subprocess.PIPE, text=True, check=True)
    assert child.stdout.split() == digests()


def test_another_seed_gives_other_weights() -> None:
    one, two = (build(read_spec("digits_mlp"), seed).arrays() for seed in (0, 1))
    assert not np.array_equal(one["projections.input_hidden.weight"], two["projections.input_hidden.weight"])


if __name__ == "__main__":
    print(*digests())
