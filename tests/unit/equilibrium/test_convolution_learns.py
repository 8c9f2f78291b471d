"""Convolutions learn: on the embedded digits they beat the same network with its convolutions frozen."""

from typing import Any

import numpy as np

from mep_neuro.backends.data.load import load_data
from mep_neuro.equilibrium.learning.trainer import Trainer, predict
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec


def topology(plastic: bool) -> dict[str, Any]:
    """Two convolutions with pooling between 8 x 8 pixels and a softmax read-out, 8 maps and 16."""
    maps = {"neuron": "unit", "bias": 0.05, "bias_per": "channel", "plastic_bias": plastic}
    connector = {"type": "conv2d", "kernel": 3, "pool": 2}
    convolution = {"connector": connector, "weight": {"gain": 1.5}, "plastic": plastic}
    return {
        "name": "digits_conv",
        "neurons": {"unit": {"activation": "relu"}},
        "populations": {
            "input": {"shape": [8, 8], "role": "input"},
            "maps_1": {"shape": [8, 4, 4], **maps},
            "maps_2": {"shape": [16, 2, 2], **maps},
            "output": {"shape": [10], "role": "output", "activation": "softmax"},
        },
        "projections": {
            "conv_1": {"pre": "input", "post": "maps_1", **convolution},
            "conv_2": {"pre": "maps_1", "post": "maps_2", "feedback_gain": 0.05, **convolution},
            "out": {"pre": "maps_2", "post": "output", "connector": {"type": "dense"}},
        },
        "equilibrium": {
            "tolerance": 1e-3,
            "nudge": {"beta": 0.1, "phases": "frozen", "cost": "cross_entropy"},
            "free_steps": 3,
            "nudged_steps": 2,
        },
        "learning": {"lr": 0.1},
        "consolidation": {"spectral_bound": 0.5},
    }


def accuracy(plastic: bool) -> float:
    """Held-out, after 8 epochs on the embedded digits."""
    data = load_data("digits", seed=1)
    model = EquilibriumNetwork(build(read_spec(topology(plastic))))
    trainer = Trainer(model, data.x_train, data.y_train, epochs=8)
    trainer.prepare()
    before = model.weights["conv_1"].clone()
    while not trainer.finished:
        trainer.advance()
    assert (not plastic) == bool((model.weights["conv_1"] == before).all())
    bias = model.biases["maps_1"].reshape(8, -1)
    assert bool((bias == bias[:, :1]).all())  # one bias a channel, through the optimizer too
    return float(np.mean(predict(model, data.x_test)[0] == data.y_test))


def test_convolutions_learn() -> None:
    learned, frozen = accuracy(plastic=True), accuracy(plastic=False)
    assert learned > 0.85
    assert learned > frozen + 0.05, f"frozen {frozen:.3f}, learned {learned:.3f}"
