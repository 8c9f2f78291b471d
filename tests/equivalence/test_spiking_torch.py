"""The batched spiking dynamics in torch are those of the numpy reference, spike for spike."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mep_neuro.equilibrium.backend import run
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase, nudged_phase
from mep_neuro.equilibrium.spiking import neurons as torch_neurons
from mep_neuro.neurons.sif import Sif
from mep_neuro.neurons.table import SPIKING_MODELS
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.nudge import force
from mep_neuro.simulation.recording import RunOptions
from mep_neuro.simulation.spiking import spiking_phase
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.reader import read_spec

MODELS = list(SPIKING_MODELS)


def network_of(model: str) -> Network:
    """A lattice between two faces, a pooled convolution and a projection of few synapses (a sparse block)."""
    spec = {
        "schema": "mep-neuro/1",
        "name": "every",
        "neurons": {"unit": {"model": model}},
        "populations": {
            "input": {"shape": [1, 8, 8], "role": "input"},
            "image": {"shape": [1, 8, 8], "neuron": "unit"},
            "maps": {"shape": [4, 4, 4], "neuron": "unit", "bias": 0.2},
            "cube": {"shape": [4, 4, 4], "neuron": "unit", "bias": 0.2},
            "copy": {"shape": [64], "neuron": "unit", "bias": 0.1},
            "output": {"shape": [5], "role": "output", "neuron": "unit", "bias": 0.2},
        },
        "projections": {
            "sees": {
                "pre": "input",
                "post": "image",
                "connector": {"type": "one_to_one"},
                "weight": {"init": "constant"},
            },
            "conv": {
                "pre": "image",
                "post": "maps",
                "connector": {"type": "conv2d", "kernel": 3, "pool": 2},
                "weight": {"gain": 0.5},
            },
            "same": {
                "pre": "maps",
                "post": "copy",
                "connector": {"type": "one_to_one"},
                "feedback_gain": 0.5,
            },
            "few": {
                "pre": "copy",
                "post": "cube",
                "connector": {"type": "sparse", "probability": 0.05},
                "feedback": "random",
                "weight": {"gain": 0.5},
            },
            "lattice": {
                "pre": "cube",
                "post": "cube",
                "connector": {"type": "lattice"},
                "weight": {"spectral_radius": 0.6},
            },
            "out": {
                "pre": "cube[:, :, -1]",
                "post": "output",
                "connector": {"type": "dense"},
                "weight": {"gain": 0.4},
            },
        },
        "equilibrium": {"slots": 96, "nudge": {"beta": 0.3}},
    }
    return build(read_spec(spec))


def features(samples: int = 6) -> np.ndarray:
    return np.random.default_rng(1).random((samples, 64))


def differences(network: Network) -> tuple[int, int]:
    """Slots of units in which what was sent, or the membrane, differs; and how many there are."""
    ours = run(network, features(), RunOptions(trace=True))
    reference = spiking_phase(network, present(network, features()), trace=True)
    wrong = total = 0
    for name, sent in reference.sent.items():
        assert np.count_nonzero(sent) > 100, name  # what is compared is not silence
        wrong += np.count_nonzero(sent != ours.spikes[name])
        wrong += np.count_nonzero(reference.membranes[name] != ours.membranes[name])
        wrong += np.count_nonzero(ours.rates[name] != reference.rates[name])
        total += sent.size
    return wrong, total


@pytest.mark.parametrize("model", MODELS)
def test_the_free_phase_is_equal_spike_for_spike(model):
    network = network_of(model)
    wrong, total = differences(network)
    assert (wrong, total) == (0, 96 * 6 * (4 * 64 + 5))


def test_units_that_no_other_reaches_are_equal_too():
    """A hidden population between the input and a softmax read-out outside the dynamics."""
    spec = network_of("sif").spec.to_mapping()
    for name in ("image", "cube", "copy"):
        del spec["populations"][name]
    spec["populations"]["output"] = {"shape": [5], "role": "output", "activation": "softmax"}
    spec["projections"] = {
        "conv": spec["projections"]["conv"] | {"pre": "input"},
        "out": {"pre": "maps", "post": "output", "connector": {"type": "dense"}},
    }
    spec["equilibrium"]["nudge"]["cost"] = "cross_entropy"
    network = build(read_spec(spec))
    assert differences(network) == (0, 96 * 6 * 64)


def test_a_planted_fault_is_seen(monkeypatch):
    """A reset that forgets what is above the threshold."""

    def hard(neuron: Sif, now, arriving, drive):
        torch_neurons._synapse(neuron.keep_syn, now.i, arriving)
        now.v.add_(now.i).add_(drive).clamp_(neuron.v_low * 2**24, neuron.v_high * 2**24)
        torch.ge(now.v, 2.0**24, out=now.m)
        now.v.mul_(1.0 - now.m)
        return now.s.copy_(now.m)

    monkeypatch.setattr(torch_neurons, "_sif", hard)
    assert differences(network_of("sif"))[0] > 1000


@pytest.mark.parametrize("model", MODELS)
def test_the_nudged_phases_are_equal_too(model):
    network = network_of(model)
    target = np.eye(5)[np.arange(6) % 5]
    net = EquilibriumNetwork(network, torch.float64)
    stimulus = present(network, features())
    free = free_phase(net, torch.from_numpy(features()))
    nudged = nudged_phase(net, free, torch.from_numpy(target))
    # The drive of the model is torch's own sum: it is the numpy one to rounding, and on the grid of
    # 2^-24 the two fall on different steps once in about 10^8.
    rest = spiking_phase(network, stimulus)
    nudge = {name: 0.3 * f for name, f in force(network, rest.rates, target).items()}
    plus = spiking_phase(network, stimulus, nudge=nudge, start=rest.end)
    minus = spiking_phase(network, stimulus, nudge=nudge, sign=-1.0, start=rest.end)
    moved = 0.0
    for name, response in nudged.responses.items():
        np.testing.assert_array_equal(free.point.states[name].numpy(), rest.rates[name])
        np.testing.assert_array_equal(response.mean.numpy(), (plus.rates[name] + minus.rates[name]) / 2)
        np.testing.assert_array_equal(response.slope.numpy(), (plus.rates[name] - minus.rates[name]) / 0.6)
        moved = max(moved, float(response.slope.abs().max()))
    assert moved > 0.1


def test_weights_are_taken_again_when_they_change():
    network = network_of("sif")
    net = EquilibriumNetwork(network, torch.float64)
    before = free_phase(net, torch.from_numpy(features())).point.states["output"]
    out = network.projections["out"]
    louder = replace(network, projections={**network.projections, "out": replace(out, weight=out.weight * 2)})
    net.load_arrays(louder.arrays())
    after = free_phase(net, torch.from_numpy(features())).point.states["output"]
    assert not torch.equal(before, after)
    np.testing.assert_array_equal(
        after.numpy(), spiking_phase(louder, present(louder, features())).rates["output"]
    )
