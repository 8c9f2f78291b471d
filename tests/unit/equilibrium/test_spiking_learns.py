"""Training by spikes alone: free, plus and minus phases, and the rate network's own contrast and learner."""

import torch

import mep_neuro as mep
from mep_neuro.equilibrium.contrast import contrast
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase, nudged_phase
from mep_neuro.simulation.build import build
from mep_neuro.simulation.override import network_with_neuron
from mep_neuro.topology.reader import read_spec


def cosine(model: str, key: str) -> float:
    """Between the contrast of spikes and that of settled rates, on drawn weights."""
    network = build(read_spec("digits_mlp"))
    data = mep.load_data("digits")
    x, y = torch.from_numpy(data.x_train[:64]), torch.eye(10, dtype=torch.float64)[data.y_train[:64]]
    found = []
    for neuron in ("rate", model):
        net = EquilibriumNetwork(network_with_neuron(network, neuron), torch.float64)
        free = free_phase(net, x, **({"tolerance": 1e-10} if neuron == "rate" else {}))
        found.append(contrast(net, free, nudged_phase(net, free, y))[key].flatten())
    return float(torch.nn.functional.cosine_similarity(*found, dim=0))


def test_the_contrast_of_spikes_is_that_of_rates():
    # Measured: 0.986 (the nudge reaches the hidden units through weights of 0.1 / 8) and 1 - 4e-8.
    assert cosine("sif", "projections.input_hidden.weight") > 0.95
    assert cosine("annealed_sigma_delta", "projections.input_hidden.weight") > 0.9999


def test_spikes_alone_learn_the_digits_where_an_untrained_network_does_not_know_them():
    spec = read_spec("digits_mlp").to_mapping()
    spec["equilibrium"]["slots"] = 32
    spec["learning"]["epochs"] = 1
    net = mep.load(spec, neuron="sif")
    data = mep.load_data("digits")
    before = mep.train(net, data, epochs=0).held_out.value
    training = mep.train(net, data)
    assert before < 0.3
    assert training.held_out.value > 0.8
    assert training.metrics[-1]["free_steps"] == 32
