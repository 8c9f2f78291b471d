"""Counts and estimates against sums made by hand."""

import numpy as np
import pytest

from mep_neuro.chip.circuit import circuit
from mep_neuro.chip.cost import Counts, Estimate, count, energy, latency
from mep_neuro.chip.emulate import emulate
from mep_neuro.chip.emulate_plain import emulate_plain
from mep_neuro.chip.place import place
from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import quantize
from mep_neuro.simulation.build import build
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.reader import read_spec

LOIHI1, LOIHI2 = read_profile("loihi1"), read_profile("loihi2")
NETWORK = build(read_spec("xor"))
LAID = circuit(NETWORK)
ONE_CORE = place(LAID, LOIHI2)
COUNTS = Counts(
    samples=1,
    settled=1.0,
    steps=100.0,
    neuron_updates=1000.0,
    messages=50.0,
    core_messages=80.0,
    synaptic_events=400.0,
    events_of_busiest_core=300.0,
    silent_units=0,
    bias_writes=10,
    host_products=32,
)


def test_events_are_those_of_the_readable_emulation():
    quantized = quantize(NETWORK, LOIHI2)
    bias = quantized.bias(present(NETWORK, np.random.default_rng(0).random((5, 4))))
    counts = count(quantized, emulate(quantized, bias), LAID, ONE_CORE)
    plain = emulate_plain(quantized, bias, trace=True)
    assert plain.trace is not None
    sent = [np.count_nonzero(plain.trace.m[: plain.steps[k], k], axis=0) for k in range(5)]
    fan_out = np.count_nonzero(quantized.weight.toarray(), axis=0)
    assert counts.messages == np.mean([s.sum() for s in sent])
    assert counts.synaptic_events == pytest.approx(np.mean([s @ fan_out for s in sent]), rel=1e-12)
    assert counts.events_of_busiest_core == pytest.approx(counts.synaptic_events, rel=1e-12)  # one core
    assert counts.core_messages == counts.messages
    assert counts.steps == plain.steps.mean()
    assert counts.neuron_updates == counts.steps * 10
    assert (counts.bias_writes, counts.host_products, counts.settled) == (10, 32, 1.0)


def test_messages_are_counted_for_each_core_they_reach():
    limit = LOIHI2.neurons_per_core.model_copy(update={"value": 5})  # hidden 5, hidden 3 + output 2
    spread = place(LAID, LOIHI2.model_copy(update={"neurons_per_core": limit}))
    quantized = quantize(NETWORK, LOIHI2)
    bias = quantized.bias(present(NETWORK, np.random.default_rng(0).random((5, 4))))
    run = emulate(quantized, bias)
    counts = count(quantized, run, LAID, spread)
    sent = run.messages.mean(axis=0)
    assert counts.core_messages == pytest.approx(sent[:8].sum() + 2 * sent[8:].sum())
    first, second = 5 * sent[8:].sum(), 3 * sent[8:].sum() + 2 * sent[:8].sum()
    assert counts.events_of_busiest_core == pytest.approx(max(first, second))


def test_silent_units_are_counted():
    quantized = quantize(NETWORK, LOIHI2)
    bias = np.full((2, 10), -(1 << 20), dtype=np.int32)  # every unit below 0: nothing is ever sent
    assert count(quantized, emulate(quantized, bias), LAID, ONE_CORE).silent_units == 10


def test_loihi_s_energy_is_at_least_its_published_minimum():
    found = energy(COUNTS, LOIHI1)
    assert found.low == pytest.approx(400 * 23.6e-12 + 1000 * 52e-12 + 80 * 1.7e-12)
    assert (found.high, found.missing) == (None, ())
    assert found.words("J") == "estimate: at least 6.2e-08 J"


def test_loihi_s_latency_lies_between_two_ends():
    found = latency(COUNTS, ONE_CORE, LOIHI1)  # 10 units on the fullest core
    assert found.low == pytest.approx(100 * 113e-9 + 100 * 10 * 5.3e-9)
    assert found.high == pytest.approx(100 * 465e-9 + 100 * 10 * 8.4e-9 + 300 * 3.5e-9)
    assert found.words("s") == "estimate: 1.7e-05 to 5.6e-05 s"


def test_a_constant_that_nobody_published_makes_the_cost_unknown():
    found = energy(COUNTS, LOIHI2)
    assert (found.low, found.high) == (None, None)
    assert found.words("J").startswith("unknown (energy_per_synaptic_event, energy_per_neuron_update")
    one = LOIHI1.energy_per_message.model_copy(update={"low": None})
    assert energy(COUNTS, LOIHI1.model_copy(update={"energy_per_message": one})) == Estimate(
        None, None, ("energy_per_message",)
    )
