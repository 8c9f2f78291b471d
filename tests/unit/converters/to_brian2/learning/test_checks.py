"""What cannot be learned inside Brian2 is refused by name, all reasons at once."""

from collections.abc import Callable
from typing import Any

import pytest

from mep_neuro.converters.to_brian2.learning.checks import refuse_unlearnable
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec


def small() -> dict[str, Any]:
    return read_spec("xor").to_mapping()


def softmax(m: dict[str, Any]) -> None:
    m["populations"]["output"] = {"shape": [2], "role": "output", "activation": "softmax"}
    m["equilibrium"]["nudge"]["cost"] = "cross_entropy"


def convolution(m: dict[str, Any]) -> None:
    m["populations"]["input"]["shape"] = [1, 4, 4]
    m["populations"]["hidden"]["shape"] = [2, 4, 4]
    m["projections"]["input_hidden"]["connector"] = {"type": "conv2d", "kernel": 3, "padding": 1}


def nudge(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda m: m["equilibrium"]["nudge"].update(changes)


CASES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "softmax": (softmax, "population 'output': a softmax read-out is outside the dynamics"),
    "conv": (convolution, "projection 'input_hidden': synapses of conv2d share weights"),
    "bits": (
        lambda m: m["projections"]["hidden_output"].update(weight_bits=4),
        "projection 'hidden_output': weight_bits are not rounded",
    ),
    "frozen": (nudge(phases="frozen"), "nudge.phases: frozen phases .*; write centered"),
    "auto": (nudge(beta="auto"), "nudge: beta of each pattern"),
    "current": (nudge(max_current=0.1), "nudge: beta of each pattern .* without max_current"),
    "cost": (nudge(cost="cross_entropy"), "nudge.cost: the error of cross_entropy needs all output units"),
    "dropout": (lambda m: m["populations"]["hidden"].update(dropout=0.5), "populations: dropout"),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_by_name(case: str) -> None:
    change, message = CASES[case]
    mapping = small()
    change(mapping)
    with pytest.raises(UnsupportedError, match=message):
        refuse_unlearnable(build(read_spec(mapping)))


def test_all_reasons_at_once() -> None:
    mapping = small()
    for name in ("frozen", "dropout"):
        CASES[name][0](mapping)
    with pytest.raises(UnsupportedError) as caught:
        refuse_unlearnable(build(read_spec(mapping)))
    assert len(str(caught.value).splitlines()) == 2


def test_what_can_be_learned_is_not_refused() -> None:
    refuse_unlearnable(build(read_spec("xor")))
