"""The numpy reference run of spiking networks: every connector, and sums that have one value."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mep_neuro.errors import StimulusError, TopologyError, UnsupportedError
from mep_neuro.neurons.fixed_point import on_grid
from mep_neuro.neurons.table import SPIKING_MODELS
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.nudge import force
from mep_neuro.simulation.override import network_with_neuron
from mep_neuro.simulation.reference import euler
from mep_neuro.simulation.spiking import SpikingPhase, spiking_currents, spiking_phase, weights_on_grid
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.reader import read_spec

MODELS = list(SPIKING_MODELS)


def every_connector(model: str = "sif") -> Network:
    """Dense, conv2d with pooling, a lattice, sparse and one-to-one, with feedback gains."""
    spec = {
        "schema": "mep-neuro/1",
        "name": "every",
        "neurons": {"unit": {"model": model}},
        "populations": {
            "input": {"shape": [6, 6], "role": "input"},
            "image": {"shape": [1, 6, 6], "neuron": "unit", "bias": 0.1},
            "maps": {"shape": [3, 2, 2], "neuron": "unit", "bias": 0.3},
            "cube": {"shape": [3, 3, 3], "neuron": "unit", "bias": 0.2},
            "copy": {"shape": [12], "neuron": "unit"},
            "output": {"shape": [4], "role": "output", "neuron": "unit"},
        },
        "projections": {
            "sees": {"pre": "input", "post": "image", "connector": {"type": "one_to_one"}},
            "conv": {
                "pre": "image",
                "post": "maps",
                "connector": {"type": "conv2d", "kernel": 3, "pool": 3},
                "feedback_gain": 0.5,
            },
            "lattice": {
                "pre": "cube",
                "post": "cube",
                "connector": {"type": "lattice"},
                "weight": {"spectral_radius": 0.5},
            },
            "face": {
                "pre": "maps",
                "post": "cube[:, :, 0]",
                "connector": {"type": "dense"},
                "weight": {"gain": 0.3},
            },
            "same": {
                "pre": "maps",
                "post": "copy",
                "connector": {"type": "one_to_one"},
                "weight": {"gain": 0.3},
            },
            "few": {
                "pre": "cube",
                "post": "output",
                "connector": {"type": "sparse", "probability": 0.3},
                "weight": {"gain": 0.3},
            },
        },
        "equilibrium": {"slots": 64},
    }
    return build(read_spec(spec))


def features(network: Network, samples: int = 5) -> np.ndarray:
    return np.random.default_rng(3).random((samples, network.input.size))


def run(network: Network, **options: Any) -> SpikingPhase:
    return spiking_phase(network, present(network, features(network)), **options)


@pytest.mark.parametrize("model", MODELS)
def test_the_read_out_is_near_the_rate_fixed_point_with_every_connector(model):
    network = every_connector(model)
    rates = {
        name: np.clip(v[-1], 0, 1)
        for name, v in euler(network, present(network, features(network)), 600, 1e-3).items()
    }
    phase = run(network, slots=512)
    for name, rate in rates.items():
        # lif: the staircase of its hard reset, up to 1/4 between 1/2 and 1; the others: their resolution.
        worst = {"lif": 0.5, "sif": 0.02, "sigma_delta": 0.01, "annealed_sigma_delta": 1e-4}[model]
        assert np.abs(phase.rates[name] - rate).max() <= worst, name
    silent = np.mean([np.abs(rates[name]).mean() for name in rates])
    assert silent > 0.1  # a network at rest would pass


@pytest.mark.parametrize("model", MODELS)
def test_what_arrives_does_not_depend_on_the_order_of_the_sum(model):
    """Synapse by synapse, in a drawn order, as a simulator would add them."""
    network = every_connector(model)
    phase = run(network, trace=True)
    operator = spiking_currents(network)
    sizes = [p.size for p in operator.populations]
    starts = np.cumsum([0, *sizes[:-1]])
    first = {p.name: start for p, start in zip(operator.populations, starts, strict=True)}
    sent = operator.join(phase.sent)[-1]
    pairs, values = [], []
    for projection in network.projections.values():
        if projection.pre in first:
            pre, post = (
                projection.synapses.pre + first[projection.pre],
                projection.synapses.post + first[projection.post],
            )
            forth, back = weights_on_grid(projection)
            pairs += [np.stack([post, pre]), np.stack([pre, post])]
            values += [forth, back]
    (to, of), weight = np.concatenate(pairs, axis=1), np.concatenate(values)
    assert sent.any()
    for seed in (0, 1):
        order = np.random.default_rng(seed).permutation(weight.size)
        total = np.zeros_like(sent)
        for k in order:
            total[:, to[k]] += weight[k] * sent[:, of[k]]
        np.testing.assert_array_equal(total, (operator.recurrent @ sent.T).T)


def test_off_the_grid_the_order_does_matter():
    """What the grid is for: the same sums with weights as drawn differ in their last bits."""
    weight = np.random.default_rng(0).standard_normal(1000)
    backwards = sum(weight[::-1].tolist(), 0.0)
    assert sum(weight.tolist(), 0.0) != backwards
    weight = on_grid(weight)
    assert sum(weight.tolist(), 0.0) == sum(weight[::-1].tolist(), 0.0)


@pytest.mark.parametrize("model", MODELS)
def test_a_phase_goes_on_from_the_end_of_another(model):
    network = every_connector(model)
    whole = run(network, slots=40, trace=True)
    half = run(network, slots=20)
    if model == "annealed_sigma_delta":
        return  # its threshold starts again with every phase
    rest = run(network, slots=20, start=half.end, trace=True)
    for name, sent in whole.sent.items():
        np.testing.assert_array_equal(sent[20:], rest.sent[name])
    np.testing.assert_array_equal(whole.end.v, rest.end.v)


def test_the_trace_counts_what_was_sent_and_the_samples_do_not_meet():
    network = every_connector()
    phase = run(network, trace=True)
    for name, sent in phase.sent.items():
        assert sent.shape == (64, 5, network.populations[name].size)
        np.testing.assert_array_equal(phase.messages[name], np.count_nonzero(sent, axis=0))
    alone = spiking_phase(network, present(network, features(network)[2:3]))
    np.testing.assert_array_equal(alone.rates["cube"][0], phase.rates["cube"][2])


def test_the_minus_phase_takes_the_opposite_nudge_exactly():
    network = every_connector("annealed_sigma_delta")
    target = np.eye(4)[np.arange(5) % 4]
    free = run(network, slots=128)
    pull = {name: 0.1 * f for name, f in force(network, free.rates, target).items()}
    plus = run(network, slots=128, nudge=pull, start=free.end)
    minus = run(network, slots=128, nudge=pull, sign=-1.0, start=plus.end)
    assert np.abs(plus.rates["output"] - minus.rates["output"]).max() > 0.05
    moved = plus.rates["output"] + minus.rates["output"] - 2 * free.rates["output"]
    inner = (minus.rates["output"] > 0) & (plus.rates["output"] > 0)  # the clamp has a kink
    assert np.abs(moved[inner]).max() < 0.02


def test_weights_and_currents_beyond_exact_sums_are_refused():
    network = every_connector()
    few = network.projections["few"]
    large = replace(
        network, projections={**network.projections, "few": replace(few, weight=few.weight * 1e4)}
    )
    with pytest.raises(
        UnsupportedError, match=r"the weights into one unit add up to .* exact up to 256; lower"
    ):
        run(large)
    with pytest.raises(StimulusError, match=r"a constant current of .* exceeds 256; scale the input down"):
        spiking_phase(network, present(network, features(network) * 1e4))


def test_rate_neurons_do_not_spike():
    with pytest.raises(
        UnsupportedError, match="population 'image': rate neurons do not spike; write one of sif"
    ):
        run(every_connector("rate"))


def test_the_same_network_with_another_neuron():
    network = build(read_spec("digits_mlp"))
    spiking = network_with_neuron(network, "sif")
    assert {p.model for p in spiking.dynamic} == {"sif"}
    np.testing.assert_array_equal(
        spiking.projections["input_hidden"].weight, network.projections["input_hidden"].weight
    )
    assert network_with_neuron(spiking, "sif") == spiking
    assert network_with_neuron(network, "lif").spec.neurons["unit"].tau_mem == 0.1  # 100 slots
    with pytest.raises(
        TopologyError, match=r"neuron: unknown neuron model 'sfi'; did you mean 'sif'\? \(known: "
    ):
        network_with_neuron(network, "sfi")
    with pytest.raises(
        TopologyError, match=r"populations\.cube\.neuron: sif neurons are hard_sigmoid, not tanh"
    ):
        network_with_neuron(build(read_spec("digits_cube")), "sif")
