"""What a Brian2 user sees of spiking populations, and what is refused."""

import re
from collections.abc import Callable
from typing import Any

import brian2 as b2
import numpy as np
import pytest

from mep_neuro.converters.to_brian2.backend import convert, run
from mep_neuro.errors import MepNeuroError, StimulusError, UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.recording import RunOptions
from mep_neuro.simulation.spiking import spiking_phase
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.spec import NetworkSpec

FEATURES = np.random.default_rng(0).random((2, 3))


def layers(model: str = "sif") -> Network:
    dense = {"type": "dense"}
    return build(
        NetworkSpec.model_validate(
            {
                "name": "layers",
                "neurons": {"unit": {"model": model}},
                "populations": {
                    "input": {"shape": [3], "role": "input"},
                    "e": {"shape": [4], "neuron": "unit", "bias": 0.4},
                    "output": {"shape": [2], "role": "output", "neuron": "unit", "bias": 0.3},
                },
                "projections": {
                    "in": {"pre": "input", "post": "e", "connector": dense},
                    "out": {"pre": "e", "post": "output", "connector": dense, "feedback_gain": 0.4},
                },
                "equilibrium": {"slots": 20},
            }
        )
    )


def test_the_objects_are_brian2s_own_and_can_be_read() -> None:
    model = convert(layers(), samples=2)
    group, synapses = model.populations["e"], model.projections["out"]
    assert isinstance(group, b2.NeuronGroup)
    assert (len(group), len(synapses)) == (8, 16)
    text = model.describe()
    for line in (
        "population 'e': NeuronGroup 'e'",
        "spike, at 'thresholds': v >= v_threshold",
        "after a spike, at 'resets': v -= v_threshold",
        "out_pre, at 'synapses': arriving_post += floor((w) * 16777216 + 0.5) / 16777216",
        "out_post, at 'synapses': arriving_pre += floor((g * w) * 16777216 + 0.5) / 16777216",
    ):
        assert line in text
    assert "w" in model.equations["out"].names


def test_a_spike_monitor_of_the_user_sees_the_spikes() -> None:
    model = convert(layers(), samples=2)
    with model.making():
        monitor = b2.SpikeMonitor(model.populations["e"])
        model.network.add(monitor)
    recording = model.run(FEATURES, trace=True)
    assert monitor.num_spikes == recording.spikes["e"].sum() > 0
    assert recording.notes[0].startswith("sif neurons, 20 slots: the rates are read-outs")


def test_the_back_end_runs_the_slots_of_the_file() -> None:
    network = layers("sigma_delta")
    calls: list[tuple[int, int]] = []
    recording = run(network, FEATURES, RunOptions(trace=True, progress=lambda *now: calls.append(now)))
    expected = spiking_phase(network, present(network, FEATURES), trace=True)
    assert np.array_equal(recording.rates["output"], expected.rates["output"])
    assert np.array_equal(recording.spikes["e"], expected.sent["e"])
    assert recording.steps.tolist() == [20, 20]
    assert calls[-1] == (20, 20)


def test_another_time_step_is_that_of_the_units() -> None:
    network = layers()
    equilibrium = network.spec.equilibrium.model_copy(update={"dt": 0.002})
    slower = build(network.spec.model_copy(update={"equilibrium": equilibrium}))
    found = convert(network, samples=2, dt=0.002).run(FEATURES)
    assert np.array_equal(
        found.rates["output"], spiking_phase(slower, present(slower, FEATURES)).rates["output"]
    )


def too_strong() -> Network:
    arrays = layers().arrays()
    return layers().with_arrays({**arrays, "projections.out.weight": 1e3 + arrays["projections.out.weight"]})


REFUSED: list[tuple[Callable[[], Any], type[MepNeuroError], str]] = [
    (
        lambda: convert(layers(), samples=2).run(FEATURES, 0.05),
        StimulusError,
        "brian2: a run of spiking neurons lasts 20 slots of 0.001 s; leave duration out",
    ),
    (
        lambda: convert(layers(), samples=2).run(1e6 * FEATURES),
        StimulusError,
        "exceeds 256; scale the input down",
    ),
    (lambda: convert(too_strong()), UnsupportedError, "the weights into one unit add up to"),
    (
        lambda: convert(layers(), connectivity="dense"),
        UnsupportedError,
        "brian2: spikes travel through Synapses; write connectivity='synapses'",
    ),
    (
        lambda: convert(layers("sigma_delta"), dt=0.006),
        UnsupportedError,
        "population 'e': dt 0.006 s is not in (0, tau_mem = 0.005 s]",
    ),
]


@pytest.mark.parametrize(("act", "error", "message"), REFUSED, ids=[m for _, _, m in REFUSED])
def test_mistakes_are_refused(act: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        act()
