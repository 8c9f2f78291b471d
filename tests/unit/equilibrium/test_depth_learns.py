"""Twenty residual layers learn the digits; without the skips they do not."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import mep_neuro as mep
from mep_neuro.equilibrium.learning.trainer import Trainer, predict

LAYERS, WIDTH, GAIN = 20, 32, 0.02


def topology(*, skips: bool, start: float) -> dict[str, Any]:
    """s_l = relu((a I + V_l) s_{l-1} + g (a I + V_{l+1})^T s_{l+1} + b_l), a = 1 - g."""
    names = [f"h{number}" for number in range(1, LAYERS + 1)]
    projections: dict[str, Any] = {"in": {"pre": "input", "post": "h1", "connector": {"type": "dense"}}}
    for pre, post in pairwise(names):
        ends = {"pre": pre, "post": post, "feedback_gain": GAIN}
        projections[f"{pre}_{post}"] = {**ends, "connector": {"type": "dense"}, "weight": {"gain": start}}
        if skips:
            weight = {"init": "constant", "gain": 1.0 - GAIN}
            skip = {"connector": {"type": "one_to_one"}, "plastic": False, "weight": weight}
            projections[f"{pre}_{post}_skip"] = {**ends, **skip}
    projections["read"] = {"pre": names[-1], "post": "output", "connector": {"type": "dense"}}
    return {
        "name": "deep",
        "neurons": {"unit": {"activation": "relu"}},
        "populations": {
            "input": {"shape": [64], "role": "input"},
            **{name: {"shape": [WIDTH], "neuron": "unit"} for name in names},
            "output": {"shape": [10], "role": "output", "activation": "softmax"},
        },
        "projections": projections,
        "equilibrium": {
            "free_steps": 3,
            "nudged_steps": 2,
            "nudge": {"beta": 0.5, "phases": "frozen", "cost": "cross_entropy"},
        },
        "learning": {"optimizer": "adam", "lr": 0.005, "batch_size": 64},
    }


def accuracy(**options: Any) -> float:
    data = mep.load_data("digits")
    net = mep.load(topology(**options))
    trainer = Trainer(net, data.x_train, data.y_train, epochs=5)
    trainer.prepare()
    while not trainer.finished:
        trainer.advance()
    found, _ = predict(net, data.x_test)
    return float(np.mean(found == data.y_test))


def test_residual_layers_learn() -> None:
    assert accuracy(skips=True, start=0.03) > 0.85


@pytest.mark.parametrize("start", [0.03, 1.0])
def test_without_the_skips_they_do_not(start: float) -> None:
    assert accuracy(skips=False, start=start) < 0.5
