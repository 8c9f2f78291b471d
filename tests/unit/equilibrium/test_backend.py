"""Back end `torch`: a recording of the free phase in float64."""

import numpy as np
import pytest

from mep_neuro.backends.data.load import load_data
from mep_neuro.equilibrium.backend import run
from mep_neuro.errors import SettleError, StimulusError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.currents import residual
from mep_neuro.simulation.recording import RunOptions
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.reader import read_spec

FEATURES = load_data("digits").x_test[:9]
NAMES = pytest.mark.parametrize("name", ["digits_mlp", "digits_cube"])


@NAMES
def test_it_rests_where_the_numpy_reference_says_rest_is(name: str) -> None:
    network, options = build(read_spec(name)), RunOptions(tolerance=1e-11, max_steps=500)
    recording = run(network, FEATURES, options)
    assert recording.backend == "torch"
    assert bool(recording.settled.all())
    assert residual(network, present(network, FEATURES), recording.rates).max() <= 1.001e-11
    assert all(rates.dtype == np.float64 for rates in recording.rates.values())
    assert set(recording.rates) == {name for name, p in network.populations.items() if p.role != "input"}


@NAMES
def test_the_curve_of_each_sample_ends_below_the_tolerance(name: str) -> None:
    told: list[tuple[int, int]] = []
    options = RunOptions(
        tolerance=1e-8, max_steps=500, progress=lambda done, total: told.append((done, total))
    )
    recording = run(build(read_spec(name)), FEATURES, options)
    curve = recording.residual_curve
    assert curve is not None
    assert curve.shape == (int(recording.steps.max()), len(FEATURES))
    for sample, steps in enumerate(recording.steps):
        assert curve[steps - 1, sample] <= 1e-8
        assert curve[0, sample] > 1e-4
        assert (curve[steps - 1 :, sample] == curve[steps - 1, sample]).all()  # it rests from there on
    assert told[-1] == (len(FEATURES), len(FEATURES))
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_too_few_steps_are_told() -> None:
    recording = run(build(read_spec("digits_cube")), FEATURES, RunOptions(tolerance=1e-12, max_steps=2))
    assert not recording.settled.any()
    assert recording.notes[0].startswith("not settled: 9 of 9 samples after 2 steps")


def test_a_network_that_diverges_raises() -> None:
    mapping = read_spec("digits_mlp").to_mapping()
    mapping["neurons"]["unit"]["activation"] = "relu"
    mapping["projections"]["hidden_output"]["weight"] = {"spectral_radius": 3.0}
    mapping["populations"]["output"]["bias"] = 1.0
    with pytest.raises(SettleError, match="grows without bound"):
        run(build(read_spec(mapping)), FEATURES, RunOptions())


def test_features_that_do_not_fit_are_refused() -> None:
    with pytest.raises(StimulusError, match=r"features have shape \(9, 60\); give \(samples, 64\)"):
        run(build(read_spec("digits_mlp")), FEATURES[:, :60], RunOptions())
