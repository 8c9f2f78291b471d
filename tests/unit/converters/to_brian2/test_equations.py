"""The generated text, without Brian2."""

import re
from dataclasses import replace

import pytest

from mep_neuro.converters.to_brian2.equations import group_equations, identifiers, synapse_equations
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Population
from mep_neuro.topology.spec import NetworkSpec


@pytest.fixture
def population() -> Population:
    spec = NetworkSpec.model_validate(
        {
            "name": "one",
            "populations": {
                "input": {"shape": [2], "role": "input"},
                "output": {"shape": [2], "role": "output"},
            },
            "projections": {"in": {"pre": "input", "post": "output", "connector": {"type": "dense"}}},
        }
    )
    return build(spec).populations["output"]


def test_the_equations_of_a_population(population: Population) -> None:
    assert group_equations(population, ["ep_a_forward", "ep_b_feedback"]).splitlines() == [
        "dv/dt = (-v + current) / tau_mem : 1",
        "r = clip(v, 0, 1) : 1",
        "sent = r : 1 (constant over dt)",
        "current = drive + ep_a_forward + ep_b_feedback : 1",
        "drive : 1",
        "ep_a_forward : 1",
        "ep_b_feedback : 1",
        "tau_mem : second (shared, constant)",
    ]


def test_the_equations_of_a_projection_hold_one_weight() -> None:
    assert synapse_equations("out").splitlines() == [
        "w : 1",
        "g : 1 (constant)",
        "ep_out_forward_post = w * sent_pre : 1 (summed)",
        "ep_out_feedback_pre = g * w * sent_post : 1 (summed)",
    ]


def test_identifiers_are_words_and_differ() -> None:
    names = ["hidden", "hidden-1", "hidden.1", "hidden", "1st", "_x", "é", "hidden_1_2"]
    found = identifiers(names)
    assert found == [
        "hidden",
        "hidden_1",
        "hidden_1_2",
        "hidden_2",
        "ep_1st",
        "ep__x",
        "ep__",
        "hidden_1_2_2",
    ]
    assert len(set(found)) == len(names)


def test_an_activation_without_an_equation_is_refused_by_name(population: Population) -> None:
    message = (
        "population 'output': activation 'softmax' has no Brian2 equation; use one of hard_sigmoid, relu"
    )
    with pytest.raises(UnsupportedError, match=re.escape(message)):
        group_equations(replace(population, activation="softmax"), [])


def test_a_neuron_model_without_an_equation_is_refused_by_name(population: Population) -> None:
    message = "population 'output': neuron model 'sigma_delta' has no Brian2 equation; write model: rate"
    with pytest.raises(UnsupportedError, match=re.escape(message)):
        group_equations(replace(population, model="sigma_delta"), [])
