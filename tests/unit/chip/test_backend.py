import numpy as np
import pytest

from mep_neuro.chip.backend import CURVE_STEPS, run
from mep_neuro.chip.emulate import emulate
from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import quantize
from mep_neuro.errors import ChipProfileError, StimulusError, UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.currents import residual
from mep_neuro.simulation.recording import RunOptions
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.reader import read_spec

NETWORK = build(read_spec("xor"))
FEATURES = np.random.default_rng(0).uniform(0, 1, (7, 4))


def direct():
    quantized = quantize(NETWORK, read_profile("loihi2"))
    return quantized, emulate(quantized, quantized.bias(present(NETWORK, FEATURES)), trace=True)


def test_it_reports_what_the_emulation_gives():
    recording = run(NETWORK, FEATURES, RunOptions(trace=True))
    quantized, done = direct()
    assert recording.backend == "loihi-emulator"
    for name, rates in quantized.rates(done.s).items():
        np.testing.assert_array_equal(recording.rates[name], rates)
        assert recording.trace[name].shape == (done.steps.max(), *rates.shape)
        np.testing.assert_array_equal(recording.trace[name][-1], rates)
    np.testing.assert_array_equal(recording.steps, done.steps)
    assert recording.settled.all()
    assert recording.seconds > 0


def test_the_curve_is_the_residual_of_the_float_equation():
    recording = run(NETWORK, FEATURES, RunOptions(trace=True))
    assert recording.residual_curve.shape == (recording.steps.max(), 7)
    for step in (0, 3, -1):
        rates = {name: trace[step] for name, trace in recording.trace.items()}
        expected = residual(NETWORK, present(NETWORK, FEATURES), rates)
        np.testing.assert_allclose(recording.residual_curve[step], expected, atol=1e-12)
    assert recording.residual_curve[-1].max() < 0.02 < recording.residual_curve[0].max()


def test_costs_are_counted_from_the_messages():
    recording = run(NETWORK, FEATURES, RunOptions())
    quantized, done = direct()
    fan_out = np.count_nonzero(quantized.weight.toarray(), axis=0)
    assert recording.counts == {
        "messages_per_unit": done.messages.mean(),
        "synaptic_events_per_sample": (done.messages * fan_out).sum() / 7,
    }
    assert recording.trace == {}


def test_samples_that_are_not_silent_are_told():
    recording = run(NETWORK, FEATURES, RunOptions(max_steps=3))
    assert not recording.settled.any()
    assert "7 of 7 samples were not silent after 3 steps" in recording.notes


def test_the_notes_say_what_is_not_on_the_chip():
    spec = NETWORK.spec.to_mapping()
    spec["populations"]["output"]["activation"] = "softmax"
    spec["equilibrium"]["nudge"]["cost"] = "cross_entropy"
    network = build(read_spec(spec))
    recording = run(network, FEATURES, RunOptions())
    assert "the softmax read-out is computed on the host" in recording.notes
    assert "input currents are computed on the host and enter as biases" in recording.notes
    assert recording.rates["output"].shape == (7, 2)
    np.testing.assert_allclose(recording.rates["output"].sum(axis=1), 1.0)


def test_weights_that_cannot_use_their_bits_are_told():
    arrays = NETWORK.arrays()
    arrays["projections.hidden_output.weight"] = np.full((2, 8), 0.01)
    notes = run(NETWORK.with_arrays(arrays), FEATURES, RunOptions()).notes
    assert "the membrane register fixed the scale: the largest weight is 82 of 254" in notes


def test_the_widths_asked_for_are_those_of_the_integers():
    narrow = run(NETWORK, FEATURES, RunOptions(widths={"weight_bits": 6, "state_bits": 4, "threshold": 2}))
    assert narrow.notes[0].startswith("6-bit weights at the scale")
    for rates in narrow.rates.values():
        np.testing.assert_array_equal(rates * 16, np.rint(rates * 16))
    deaf = quantize(NETWORK, read_profile("loihi2"), weight_bits=6, state_bits=4, threshold=2)
    done = emulate(deaf, deaf.bias(present(NETWORK, FEATURES)))
    assert narrow.counts["messages_per_unit"] == done.messages.mean()
    spikes = run(NETWORK, FEATURES, RunOptions(neuron="lif", widths={"weight_bits": 6}))
    assert any(note.startswith("6-bit weights") for note in spikes.notes)
    with pytest.raises(UnsupportedError, match=r"^state_bits: lif neurons have no such states"):
        run(NETWORK, FEATURES, RunOptions(neuron="lif", widths={"state_bits": 6}))


def test_progress_reaches_the_end():
    seen: list[tuple[int, int]] = []
    run(NETWORK, FEATURES, RunOptions(progress=lambda done, total: seen.append((done, total))))
    assert seen[0] == (0, 7)
    assert seen[-1] == (7, 7)
    assert sorted(seen) == seen


def test_the_curve_has_a_bounded_length():
    """Two units that inhibit each other by 20 times their rate swing for ever."""
    arrays = {name: np.zeros_like(array) for name, array in NETWORK.arrays().items()}
    arrays["projections.hidden_output.weight"][0, 0] = -20.0
    arrays["populations.hidden.bias"][0] = arrays["populations.output.bias"][0] = 0.5
    recording = run(NETWORK.with_arrays(arrays), FEATURES, RunOptions(max_steps=CURVE_STEPS + 50))
    assert not recording.settled.any()
    assert recording.residual_curve.shape == (CURVE_STEPS, 7)


def test_no_samples_are_no_mistake():
    recording = run(NETWORK, np.zeros((0, 4)), RunOptions())
    assert recording.rates["output"].shape == (0, 2)
    assert recording.counts == {}


def test_the_cube_of_the_library_is_refused_by_name():
    with pytest.raises(UnsupportedError, match="population 'cube': tanh units have no EPSigmaDelta form"):
        run(build(read_spec("digits_cube")), np.zeros((1, 64)), RunOptions())


def test_an_unknown_chip_is_refused():
    with pytest.raises(ChipProfileError, match="unknown profile 'loihi3'; did you mean 'loihi2'"):
        run(NETWORK, FEATURES, RunOptions(chip="loihi3"))


def test_features_that_do_not_fit_are_refused():
    with pytest.raises(StimulusError, match=r"features have shape \(1, 5\); give \(samples, 4\)"):
        run(NETWORK, np.zeros((1, 5)), RunOptions())
