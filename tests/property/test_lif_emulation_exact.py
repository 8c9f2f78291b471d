"""The fast LIF emulation gives the integers of the plain one, at every step, overflow included."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from mep_neuro.chip.lif.circuit import LifCircuit, LifRun
from mep_neuro.chip.lif.emulate import emulate_lif
from mep_neuro.chip.lif.emulate_plain import emulate_lif_plain
from mep_neuro.neurons.lif_integer import IntegerLif


def circuit(seed: int, size: int, fill: float, exponent: int, neuron: IntegerLif) -> LifCircuit:
    rng = np.random.default_rng(seed)
    weight = rng.integers(-128, 128, (size, size)) * 2 * (rng.random((size, size)) < fill)
    return LifCircuit(neuron, csr_matrix(weight.astype(np.int32)), exponent)


def bias_of(seed: int, samples: int, size: int, bits: int) -> np.ndarray:
    return np.random.default_rng(seed + 1).integers(-(2**bits), 2**bits + 1, (samples, size))


@st.composite
def cases(draw: st.DrawFn) -> tuple[LifCircuit, np.ndarray]:
    neuron = IntegerLif(
        du=draw(st.sampled_from([0, 63, 255, 1023, 4094, 4095])),
        dv=draw(st.sampled_from([0, 1, 128, 2048, 4095])),
        vth=draw(st.sampled_from([0, 1, 100, 5000, 131071])),
    )
    size, seed = draw(st.sampled_from([1, 3, 20])), draw(st.integers(0, 2**32))
    exponent = draw(st.sampled_from([-3, 0, 0, 2, 7]))
    fill = draw(st.sampled_from([0.03, 0.3, 1.0]))
    bias = bias_of(seed, draw(st.integers(1, 4)), size, draw(st.sampled_from([3, 12, 20])))
    return circuit(seed, size, fill, exponent, neuron), bias


def refuse_unequal(one: LifRun, other: LifRun) -> None:
    for name in ("u", "v", "spikes", "counts", "wraps", "steps", "silent"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for name in ("u", "v", "spikes"):
        np.testing.assert_array_equal(getattr(one.trace, name), getattr(other.trace, name), err_msg=name)


@settings(max_examples=80)
@given(cases(), st.integers(0, 30))
def test_fast_equals_plain_at_every_step(drawn, warm_up):
    net, bias = drawn
    options = {"steps": 80, "warm_up": warm_up, "trace": True}
    refuse_unequal(emulate_lif(net, bias, **options), emulate_lif_plain(net, bias, **options))


@settings(max_examples=20)
@given(cases(), st.integers(1, 60))
def test_fast_equals_plain_from_any_state(drawn, cut):
    net, bias = drawn
    start = emulate_lif(net, bias, steps=cut).state
    options = {"start": start, "steps": 40, "trace": True}
    refuse_unequal(emulate_lif(net, bias[::-1], **options), emulate_lif_plain(net, bias[::-1], **options))


def test_overflow_silence_and_spikes_happen_in_these_cases():
    """The law above is about wrapped currents, clipped membranes and silent samples only if there are any."""
    loud = circuit(1, 20, 1.0, 7, IntegerLif(63, 0, 100)), bias_of(1, 3, 20, 20)
    run = emulate_lif(*loud, steps=80, trace=True)
    assert run.wraps.min() > 0
    assert (np.abs(run.trace.v) == 2**23 - 1).any()
    assert run.trace.spikes.mean() > 0.05
    options = {"steps": 80, "trace": True}
    refuse_unequal(emulate_lif(*loud, **options), emulate_lif_plain(*loud, **options))
    mute = circuit(2, 20, 1.0, 0, IntegerLif(4095, 4095, 131071)), bias_of(2, 3, 20, 12)
    assert emulate_lif(*mute, steps=80).silent.all()
    assert emulate_lif(*mute, steps=80).steps.max() < 10
