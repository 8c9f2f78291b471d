"""Brian2's spiking populations against the numpy reference: the same float64 in every slot.

All numbers lie on the grid of `neurons/fixed_point.py`, where sums are exact in any order: nothing but
equality will do.
"""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.backend import convert
from mep_neuro.converters.to_brian2.spiking.equations import UnitText
from mep_neuro.converters.to_brian2.spiking.model import SpikingConverted
from mep_neuro.neurons.table import SPIKING_MODELS
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.recording import Recording
from mep_neuro.simulation.spiking import SpikingPhase, spiking_phase
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.spec import NetworkSpec

Array = NDArray[np.float64]
SAMPLES, SLOTS = 2, 24


def every_connector(model: str) -> Network:
    """All kinds of projections that are sums over synapses, with random feedback and gains."""
    dense = {"type": "dense"}
    weight = {"init": "normal", "gain": 0.5}
    mapping: dict[str, Any] = {
        "name": "every_connector",
        "neurons": {"unit": {"model": model}},
        "populations": {
            "input": {"shape": [2, 3, 3], "role": "input"},
            "cube": {"shape": [2, 3, 3], "neuron": "unit", "bias": 0.2},
            "maps": {"shape": [3, 1, 1], "neuron": "unit", "bias": 0.3},
            "side": {"shape": [18], "neuron": "unit", "bias": 0.4},
            "output": {"shape": [2], "role": "output", "neuron": "unit", "bias": 0.4},
        },
        "projections": {
            "in": {"pre": "input", "post": "cube", "connector": {"type": "one_to_one"}},
            "lattice": {"pre": "cube", "post": "cube", "connector": {"type": "lattice", "neighbours": 6}},
            "pooled": {"pre": "cube", "post": "maps", "connector": {"type": "conv2d", "pool": 3}},
            "same": {"pre": "cube", "post": "side", "connector": {"type": "one_to_one"}},
            "some": {"pre": "side", "post": "output", "connector": {"type": "sparse", "probability": 0.5}},
            "out": {"pre": "maps", "post": "output", "connector": dense, "feedback": "random"},
        },
    }
    for name in ("lattice", "pooled", "some"):
        mapping["projections"][name] |= {"weight": weight}
    return build(NetworkSpec.model_validate(mapping), 3)


def features_for(network: Network) -> Array:
    return 1.5 * np.random.default_rng(7).random((SAMPLES, network.input.size))


def reference(network: Network, nudge: dict[str, Array]) -> list[SpikingPhase]:
    stimulus = present(network, features_for(network))
    phases = [spiking_phase(network, stimulus, slots=SLOTS, trace=True)]
    for sign in (1.0, -1.0):
        phases.append(
            spiking_phase(
                network, stimulus, slots=SLOTS, nudge=nudge, sign=sign, start=phases[0].end, trace=True
            )
        )
    return phases


def same(recording: Recording, phases: list[SpikingPhase]) -> bool:
    """Whether spikes and membranes are equal in every slot; every population must have sent something."""
    pairs = []
    for name in recording.spikes:
        sent = np.concatenate([phase.sent[name] for phase in phases])
        assert sent.any(), name
        pairs += [(recording.spikes[name], sent)]
        pairs += [(recording.membranes[name], np.concatenate([phase.membranes[name] for phase in phases]))]
    return all(np.array_equal(ours, theirs) for ours, theirs in pairs)


def three_phases(network: Network, target: str) -> tuple[SpikingConverted, dict[str, Array]]:
    nudge = {"output": 0.3 * np.random.default_rng(1).standard_normal((SAMPLES, 2))}
    model = convert(network, samples=SAMPLES, slots=SLOTS, phases=(0, 1, -1), target=target, trace=True)
    return model, nudge


@pytest.mark.parametrize("neuron", SPIKING_MODELS)
def test_every_spike_and_membrane_of_three_phases_in_one_run(neuron: str) -> None:
    network = every_connector(neuron)
    model, nudge = three_phases(network, "numpy")
    phases = reference(network, nudge)
    for _ in range(2):  # from rest each time
        recording = model.run(features_for(network), nudge=nudge, trace=True)
        assert same(recording, phases)
        for found, phase in zip(model.phases(), phases, strict=True):
            assert all(np.array_equal(found[name], rates) for name, rates in phase.rates.items())
    messages = sum(m.sum() for phase in phases for m in phase.messages.values())
    units = SAMPLES * sum(p.size for p in network.dynamic)
    assert recording.counts["messages per unit"] == pytest.approx(messages / units)


@pytest.mark.slow
@pytest.mark.timeout(900)  # Cython compiles a dozen modules, 7 s of CPU each, the first time
@pytest.mark.parametrize("target", ["cython", "cpp_standalone"])
@pytest.mark.parametrize("neuron", SPIKING_MODELS)
def test_every_spike_and_membrane_compiled(neuron: str, target: str) -> None:
    network = every_connector(neuron)
    model, nudge = three_phases(network, target)
    phases = reference(network, nudge)
    for _ in range(2):
        assert same(model.run(features_for(network), nudge=nudge, trace=True), phases)


def test_the_comparison_refuses_a_minus_phase_that_begins_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    right = UnitText.back_to_free
    monkeypatch.setattr(UnitText, "back_to_free", lambda text, keeps, returns: right(text, keeps, "0"))
    network = every_connector("sif")
    model, nudge = three_phases(network, "numpy")
    assert not same(model.run(features_for(network), nudge=nudge, trace=True), reference(network, nudge))


@pytest.mark.parametrize("change", ["w", "g", "keep_syn"])
def test_the_comparison_refuses_a_model_that_is_slightly_wrong(change: str) -> None:
    network = every_connector("sif")
    model, nudge = three_phases(network, "numpy")
    if change == "keep_syn":
        group = model.populations["cube"]
        group.keep_syn = float(np.asarray(group.keep_syn)) + 2.0**-12
    else:
        synapses = model.projections["some"]
        setattr(synapses, change, np.asarray(getattr(synapses, change)) * 1.01)
    assert not same(model.run(features_for(network), nudge=nudge, trace=True), reference(network, nudge))
