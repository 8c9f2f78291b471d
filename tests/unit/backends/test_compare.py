"""The deviation table sees what differs, and refuses what does not belong together."""

from dataclasses import replace

import numpy as np
import pytest

from mep_neuro.backends.compare import Deviation, compare
from mep_neuro.errors import ComparisonError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.recording import Recording
from mep_neuro.topology.spec import NetworkSpec

SAMPLES = 5


def network(output: str = "hard_sigmoid") -> Network:
    spec = {
        "schema": "mep-neuro/1",
        "name": "small",
        "neurons": {"unit": {"model": "rate", "activation": "hard_sigmoid", "tau_mem": "5 ms"}},
        "populations": {
            "input": {"shape": [3], "role": "input"},
            "hidden": {"shape": [4], "neuron": "unit"},
            "output": {"shape": [2], "role": "output", "neuron": "unit"}
            if output != "softmax"
            else {"shape": [2], "role": "output", "activation": "softmax"},
        },
        "projections": {
            "input_hidden": {"pre": "input", "post": "hidden", "connector": {"type": "dense"}},
            "hidden_output": {"pre": "hidden", "post": "output", "connector": {"type": "dense"}},
        },
        "equilibrium": {
            "nudge": {"beta": 0.1, "cost": "cross_entropy" if output == "softmax" else "squared_error"}
        },
    }
    return build(NetworkSpec.model_validate(spec))


def recording(backend: str = "torch", samples: int = SAMPLES) -> Recording:
    rng = np.random.default_rng(3)
    return Recording(
        backend=backend,
        rates={"hidden": rng.random((samples, 4)), "output": rng.random((samples, 2))},
        steps=np.full(samples, 7),
        settled=np.ones(samples, dtype=bool),
        seconds=0.5,
    )


def altered(population: str, sample: int, unit: int, value: float) -> Recording:
    other = recording("brian2")
    rates = {name: array.copy() for name, array in other.rates.items()}
    rates[population][sample, unit] = value
    return replace(other, rates=rates)


def deviation(other: Recording) -> Deviation:
    return compare(network(), recording(), other)


def test_the_same_rates_deviate_by_nothing() -> None:
    same = deviation(recording("brian2"))
    assert (same.max_abs, same.mean_abs, same.agreement, same.samples) == (0.0, 0.0, 1.0, SAMPLES)
    assert (same.reference, same.backend) == ("torch", "brian2")
    assert same.passes(0.0)


def test_every_single_altered_unit_is_seen() -> None:
    for population, units in (("hidden", 4), ("output", 2)):
        for sample in range(SAMPLES):
            for unit in range(units):
                value = recording().rates[population][sample, unit] + 0.25
                seen = deviation(altered(population, sample, unit, value))
                assert seen.max_abs == pytest.approx(0.25, abs=1e-15)
                assert seen.mean_abs == pytest.approx(0.25 / (SAMPLES * 6), abs=1e-15)
                assert not seen.passes(0.2)
                assert seen.passes(0.3)


def test_the_altered_population_is_named() -> None:
    lines = {p.population: p for p in deviation(altered("hidden", 2, 1, 3.0)).populations}
    assert lines["hidden"].max_abs > 2.0
    assert lines["output"].max_abs == 0.0
    assert (lines["hidden"].units, lines["output"].units) == (4, 2)


def test_a_changed_class_lowers_the_agreement_by_one_sample() -> None:
    winner = int(np.argmax(recording().rates["output"][1]))
    assert deviation(altered("output", 1, 1 - winner, 2.0)).agreement == (SAMPLES - 1) / SAMPLES


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("population", ["hidden", "output"])
def test_what_is_not_finite_never_passes(population: str, bad: float) -> None:
    seen = deviation(altered(population, 0, 0, bad))
    assert np.isnan(seen.max_abs)
    assert not seen.passes(float("inf"))
    assert seen.as_dict()["max_abs"] is None


def test_a_sample_without_a_class_disagrees_even_with_itself() -> None:
    broken = altered("output", 0, 0, float("nan"))
    assert compare(network(), broken, broken).agreement == (SAMPLES - 1) / SAMPLES


def test_nothing_passes_a_tolerance_that_is_not_a_number() -> None:
    assert not deviation(recording("brian2")).passes(float("nan"))


def test_a_reference_that_had_not_settled_never_passes() -> None:
    settled = np.array([True, False, True, True, False])
    seen = compare(network(), replace(recording(), settled=settled), recording("brian2"))
    assert seen.unsettled_reference == 2
    assert not seen.reference_settled
    assert not seen.passes(1.0)


def test_samples_that_the_other_did_not_settle_are_counted() -> None:
    settled = np.array([True, False, True, True, True])
    seen = deviation(replace(recording("brian2"), settled=settled))
    assert (seen.unsettled_reference, seen.unsettled_other) == (0, 1)


def test_a_softmax_readout_has_its_line_but_no_part_in_the_state_error() -> None:
    seen = compare(network("softmax"), recording(), altered("output", 0, 0, 9.0))
    assert seen.max_abs == 0.0
    assert {p.population: p.settles for p in seen.populations} == {"hidden": True, "output": False}
    assert {p.population: p.max_abs > 8.0 for p in seen.populations} == {"hidden": False, "output": True}
    assert seen.agreement == pytest.approx(1.0 if np.argmax(recording().rates["output"][0]) == 0 else 0.8)


def test_other_sample_counts_are_refused() -> None:
    with pytest.raises(ComparisonError, match=r"compare torch with brian2: 5 samples against 4; run both"):
        deviation(recording("brian2", samples=4))


def test_recordings_of_another_network_are_refused() -> None:
    wide = replace(recording("brian2"), rates={**recording().rates, "hidden": np.zeros((SAMPLES, 9))})
    with pytest.raises(ComparisonError, match=r"rates of 'hidden' have shape \(5, 9\), not"):
        deviation(wide)
    named = replace(recording("brian2"), rates={"cube": np.zeros((SAMPLES, 4))})
    with pytest.raises(ComparisonError, match=r"recording of brian2: it has the populations cube, the"):
        deviation(named)
    with pytest.raises(ComparisonError, match="recording of torch: it has the populations none"):
        compare(network(), replace(recording(), rates={}), recording("brian2"))


def test_recordings_without_samples_or_status_are_refused() -> None:
    with pytest.raises(ComparisonError, match="holds no samples; run at least one"):
        compare(network(), recording(samples=0), recording("brian2", samples=0))
    with pytest.raises(ComparisonError, match=r"`settled` has shape \(3,\), not \(5,\); give one a sample"):
        deviation(replace(recording("brian2"), settled=np.ones(3, dtype=bool)))


def test_the_json_numbers_are_those_of_the_table() -> None:
    seen = deviation(altered("hidden", 2, 1, 3.0)).as_dict()
    assert {"max_abs", "mean_abs", "agreement", "samples"} <= set(seen)
    assert seen["populations"]["output"] == {"max_abs": 0.0, "mean_abs": 0.0}  # type: ignore[index]
