"""What a file of spiking neurons may not say, each with what to do."""

import pytest

from mep_neuro.errors import TopologyError
from mep_neuro.topology.reader import parse_spec
from mep_neuro.topology.writer import write_spec

RIGHT = """\
schema: mep-neuro/1
name: net
neurons:
  unit: {model: sif, tau_syn: 4 ms}
populations:
  input: {shape: [4], role: input}
  hidden: {shape: [8], neuron: unit}
  output: {shape: [2], role: output, neuron: unit}
projections:
  up: {pre: input, post: hidden, connector: {type: dense}}
  out: {pre: hidden, post: output, connector: {type: dense}}
equilibrium: {slots: 64, nudge: {beta: 0.3}, dt: 1 ms}
learning: {lr: 0.1}
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(TopologyError) as caught:
        parse_spec(text, "my.yaml")
    return list(caught.value.mistakes)


@pytest.mark.parametrize("model", ["sif", "sigma_delta", "annealed_sigma_delta", "lif"])
def test_every_model_is_read_and_written_back(model):
    parameters = {
        "sif": "tau_syn: 2 ms",
        "lif": "v_reset: -0.5, v_leak: 0.1",
        "sigma_delta": "v_threshold: 0.125",
    }
    spec = parse_spec(
        RIGHT.replace(
            "model: sif, tau_syn: 4 ms", f"model: {model}, {parameters.get(model, 'tau_mem: 5 ms')}"
        )
    )
    assert parse_spec(write_spec(spec)) == spec
    assert (spec.neurons["unit"].model, spec.equilibrium.slots) == (model, 64)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "tau_syn: 4 ms",
            "v_reset: 0.0",
            "my.yaml:4:31: neurons.unit.v_reset: sif neurons have no v_reset; remove it "
            "(theirs: tau_syn, v_threshold)",
        ),
        (
            "tau_syn: 4 ms",
            "tau_syn: 0.5 ms",
            "neurons.unit.tau_syn: 0.0005 s is below the dt of 0.001 s, so that a slot leaves nothing",
        ),
        (
            "sif, tau_syn: 4 ms",
            "sigma_delta, v_threshold: 0.01",
            "neurons.unit.v_threshold: 0.01 is no power of two from 2^-20 to 1/2; write 0.0078125",
        ),
        (
            "sif, tau_syn: 4 ms",
            "lif, v_leak: 1.5",
            "neurons.unit.v_leak: 1.5 is not below the threshold of 1: it fires by itself; lower it",
        ),
        (
            "hidden: {shape: [8], neuron: unit}",
            "hidden: {shape: [8]}",
            "populations.hidden: 'output' is sif and this is rate; give all settling populations one model",
        ),
        (
            "hidden: {shape: [8], neuron: unit}",
            "hidden: {shape: [8], neuron: unit, activation: relu}",
            "populations.hidden.activation: sif neurons are hard_sigmoid, not relu; write that, or model:",
        ),
        (
            "hidden: {shape: [8], neuron: unit}",
            "hidden: {shape: [8], neuron: unit, dropout: 0.2}",
            "populations.hidden.dropout: spiking neurons have no dropout; remove it, or write model: rate",
        ),
        (
            "lr: 0.1",
            "mode: continual, momentum: 0.0",
            "learning.mode: spiking neurons are read over whole phases",
        ),
        (
            "beta: 0.3",
            "beta: auto",
            "equilibrium.nudge.beta: auto measures small responses, which spikes do not",
        ),
        (
            "beta: 0.3",
            "phases: frozen",
            "equilibrium.nudge.phases: frozen phases settle half-differences, which",
        ),
        (
            "slots: 64",
            "energy: predictive_coding",
            "equilibrium.energy: the errors of predictive coding have no",
        ),
        ("tau_syn: 4 ms", "v_rest: 0.0", "neurons.unit.v_rest: unknown key 'v_rest'; did you mean 'v_leak'?"),
        ("tau_syn: 4 ms", "E_L: 0.0", "neurons.unit.E_L: unknown key 'E_L'; did you mean 'v_leak'?"),
        ("model: sif", "model: sfi", "neurons.unit.model: unknown choice 'sfi'; did you mean 'sif'?"),
    ],
)
def test_a_mistake_is_told(old, new, message):
    assert RIGHT.count(old) == 1
    assert any(message in line for line in mistakes(RIGHT.replace(old, new))), mistakes(
        RIGHT.replace(old, new)
    )
