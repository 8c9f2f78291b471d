"""A network as a rate code of LIF neurons: rates, the clamp, and every refused number."""

from typing import Any

import numpy as np
import pytest

from mep_neuro.backends.fit import fit
from mep_neuro.chip.backend import run
from mep_neuro.chip.lif.emulate import emulate_lif
from mep_neuro.chip.lif.quantize import QuantizedLif, quantize_lif
from mep_neuro.chip.profile import read_profile
from mep_neuro.errors import ChipRangeError, UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.recording import RunOptions
from mep_neuro.simulation.reference import euler
from mep_neuro.simulation.stimulus import Stimulus, present
from mep_neuro.topology.spec import NetworkSpec

LOIHI2 = read_profile("loihi2")
WARM_UP, COUNTED = 1024, 4096


def network(
    gain: float = 0.5, activation: str = "hard_sigmoid", seed: int = 3, model: str = "rate"
) -> Network:
    dense = {"type": "dense"}
    mapping: dict[str, Any] = {
        "name": "net",
        "neurons": {"u": {"model": model, "activation": activation}},
        "populations": {
            "in": {"shape": [3], "role": "input"},
            "a": {"shape": [6], "neuron": "u", "bias": 0.2},
            "out": {"shape": [2], "role": "output", "neuron": "u"},
        },
        "projections": {
            "in_a": {"pre": "in", "post": "a", "connector": dense},
            "a_out": {"pre": "a", "post": "out", "connector": dense, "weight": {"gain": gain}},
        },
    }
    return build(NetworkSpec.model_validate(mapping), seed=seed)


def rates(q: QuantizedLif, stimulus: Stimulus) -> np.ndarray:
    end = emulate_lif(q.circuit, q.bias(stimulus).current, steps=WARM_UP + COUNTED, warm_up=WARM_UP)
    assert not end.wraps.any()
    return np.concatenate(list(q.rates(end.counts, COUNTED).values()), axis=1)


def constant(drive: float) -> Stimulus:
    return Stimulus(np.zeros((1, 3)), {"a": np.full((1, 6), drive), "out": np.full((1, 2), drive)})


@pytest.mark.parametrize("drive", [-0.5, 0.0, 0.1, 0.5, 0.9, 1.0])
def test_a_unit_alone_spikes_at_its_rate(drive: float) -> None:
    q = quantize_lif(network(gain=1e-6), LOIHI2)
    step = q.interval / COUNTED  # of one spike; reset to zero rounds an interval of 64 / s up to a whole step
    assert (
        np.abs(rates(q, constant(drive)) - max(drive, 0.0)).max() <= step + max(drive, 0.0) ** 2 / q.interval
    )


def test_pairs_hold_rates_below_one_and_single_neurons_do_not() -> None:
    pairs = rates(quantize_lif(network(gain=1e-6), LOIHI2), constant(1.8))
    single = rates(quantize_lif(network(gain=1e-6), LOIHI2, clamp=False), constant(1.8))
    # Two rates of 1.8 and 0.8, each an interval of 64 / s rounded up, by at most s^2 / 64.
    assert np.abs(pairs - 1.0).max() < (1.8**2 + 0.8**2) / 64 + 2 * 64 / COUNTED
    assert np.abs(single - 1.8).max() < 0.1


def test_a_coupled_network_settles_near_the_float_fixed_point() -> None:
    source = network()
    stimulus = present(source, np.random.default_rng(0).random((5, 3)))
    membranes = euler(source, stimulus, steps=400, dt=2e-3)  # tau_mem is 10 ms
    q = quantize_lif(source, LOIHI2)
    want = np.clip(np.concatenate([membranes[name][-1] for name in q.names], axis=1), 0, 1)
    assert np.abs(rates(q, stimulus) - want).max() < 0.06
    wrong = quantize_lif(network(gain=0.5, seed=4), LOIHI2)  # the control: another network's weights
    assert np.abs(rates(wrong, stimulus) - want).max() > 0.1


def test_every_bias_takes_the_smallest_exponent() -> None:
    q = quantize_lif(network(), LOIHI2)
    drive = np.array([[1e-3, 0.1, -0.7, 2.0, 8.0, 0.0]])
    bias = q.bias(Stimulus(np.zeros((1, 3)), {"a": drive, "out": np.zeros((1, 2))}))
    assert np.abs(bias.mantissa).max() <= 4095
    assert bias.exponent.max() <= 7
    wanted = np.concatenate([drive, np.zeros((1, 2)), drive - 1, np.full((1, 2), -1.0)], 1) * q.unit_current
    assert (np.abs(bias.current - wanted) <= 0.5 * 2.0**bias.exponent).all()
    assert (np.abs(bias.mantissa[bias.exponent > 0]) >= 2047).all()


def test_weights_are_even_and_the_pair_has_the_opposite_sign() -> None:
    q = quantize_lif(network(), LOIHI2)
    weight = q.circuit.weight.toarray()
    assert not (weight % 2).any()
    assert np.abs(weight).max() <= 254
    half = q.size
    np.testing.assert_array_equal(weight[:half, :half], -weight[:half, half:])
    np.testing.assert_array_equal(weight[:half, :half], weight[half:, :half])
    np.testing.assert_array_equal(weight[:half, :half], weight[:half, :half].T)


def test_what_does_not_fit_is_refused() -> None:
    q = quantize_lif(network(), LOIHI2)
    with pytest.raises(ChipRangeError, match=r"^bias: the current 1000 into unit 0 of sample 0 exceeds \+-"):
        q.bias(constant(1000.0))
    with pytest.raises(ChipRangeError, match=r"^bias: the current nan into"):
        q.bias(constant(float("nan")))
    with pytest.raises(ChipRangeError, match=r"^interval: 1 is outside 2 to 4096 on loihi2; give a number"):
        quantize_lif(network(), LOIHI2, interval=1)
    with pytest.raises(
        ChipRangeError, match=r"^threshold: \d+ is all that weights up to \d+.* leave \(weight\)"
    ):
        quantize_lif(network(gain=1e5), LOIHI2)
    with pytest.raises(UnsupportedError, match=r"population 'a': tanh units have no LIF form"):
        quantize_lif(network(activation="tanh"), LOIHI2)
    spiking = r"population 'a': the emulation of loihi2 codes rates in LIF neurons, not"
    with pytest.raises(UnsupportedError, match=spiking):
        quantize_lif(network(model="sigma_delta"), LOIHI2)


def test_small_weights_are_held_finer() -> None:
    source = network(gain=0.5)
    arrays = source.arrays()
    strong = source.with_arrays(
        arrays | {"projections.a_out.weight": arrays["projections.a_out.weight"] / 20}
    )
    stimulus = present(strong, np.random.default_rng(5).random((3, 3)))
    q = quantize_lif(strong, LOIHI2, weight_bits=4, inputs_on_chip=True)
    assert set(q.synapse_exponents) == {0, -5}
    assert not (q.held % 32).any()
    assert np.abs(q.held).max() <= 224
    np.testing.assert_array_equal(q.held >> -q.synapse_exponents, q.weight.data)
    # The read-out's weights, a twentieth, are there, in both directions and of both neurons.
    assert set(np.unique(q.weight.nonzero()[0])) == set(range(3, q.circuit.size))
    exact = rates(quantize_lif(strong, LOIHI2, inputs_on_chip=True), stimulus)
    np.testing.assert_allclose(rates(q, stimulus)[:, 6:], exact[:, 6:], atol=0.05)


def test_lif_neurons_of_a_file_go_the_same_way_as_rate_units() -> None:
    features = np.random.default_rng(4).random((3, 3))
    asked = run(network(), features, RunOptions(neuron="lif"))
    own = run(network(model="lif"), features, RunOptions())
    for name in asked.rates:
        np.testing.assert_array_equal(own.rates[name], asked.rates[name])
    (told,) = set(own.notes) - set(asked.notes)
    assert told.startswith("the file's lif neurons were taken as the rates that they code")
    with pytest.raises(UnsupportedError, match=r"not lif; write model: sigma_delta, or add --neuron sigma"):
        run(network(model="lif"), features, RunOptions(neuron="sigma_delta"))
    assert fit(network(model="lif"), "loihi2").neuron == "lif"
    assert fit(network(), "loihi2").neuron == "sigma_delta"
    broken = fit(network(model="sigma_delta"), "loihi1").broken
    assert broken is not None
    assert broken.startswith("population 'a': sigma_delta neurons are expressed by none of its neurons (lif)")
    assert broken.endswith("write model: rate, or choose a chip that has such neurons")


def test_the_input_may_be_single_neurons_on_the_chip():
    source = network(gain=0.5)
    stimulus = present(source, np.random.default_rng(2).random((3, source.input.size)))
    host = rates(quantize_lif(source, LOIHI2), stimulus)
    q = quantize_lif(source, LOIHI2, inputs_on_chip=True)
    assert (q.inputs, q.size - q.inputs) == (source.input.size, sum(p.size for p in source.dynamic))
    assert q.circuit.size == 2 * q.size - q.inputs
    # The input's own rates are in steps of 1 / 64 of themselves, and its spikes come in rhythms.
    np.testing.assert_allclose(rates(q, stimulus), host, atol=0.04)
    assert np.abs(rates(q, present(source, 1.0 - stimulus.rates)) - host).max() > 0.1
    with pytest.raises(
        ChipRangeError, match=r"population 'in\w*': the rate 2 of unit 0 of sample 0 is outside 0"
    ):
        q.bias(present(source, np.full((1, source.input.size), 2.0)))
