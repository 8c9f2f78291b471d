"""The fast emulation gives the integers of the plain one, at every step, wherever registers overflow too."""

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from mep_neuro.chip.emulate import EmulatedRun, emulate
from mep_neuro.chip.emulate_plain import emulate_plain
from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import Quantized, quantize
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec

BASE = quantize(build(read_spec("xor")), read_profile("loihi2"))


@dataclass(frozen=True)
class Case:
    """Any integer network, also one that `quantize` would refuse, with its biases."""

    network: Quantized
    bias: NDArray[np.int64]


def case(
    seed: int,
    size: int = 10,
    samples: int = 3,
    fill: float = 0.6,
    largest: int = 254,
    state_bits: int = 8,
    leak_shift: int = 2,
    membrane_shift: int = 10,
    threshold: int = 1,
    message_max: int | None = None,
    bias_bits: int = 20,
) -> Case:
    rng = np.random.default_rng(seed)
    weight = rng.integers(-largest // 2, largest // 2 + 1, (size, size)) * 2
    weight *= rng.random((size, size)) < fill
    network = replace(
        BASE,
        weight=csr_matrix(weight.astype(np.int32)),
        state_bits=state_bits,
        leak_shift=leak_shift,
        weight_exponent=membrane_shift - leak_shift,
        threshold=threshold,
        message_max=message_max,
    )
    return Case(network, rng.integers(-(2**bias_bits) + 1, 2**bias_bits, (samples, size)))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    state_bits = draw(st.integers(1, 20))
    threshold = draw(st.sampled_from([1, 1, 2, 5]))
    return case(
        seed=draw(st.integers(0, 2**32)),
        size=draw(st.sampled_from([1, 2, 7, 30])),
        samples=draw(st.integers(1, 4)),
        fill=draw(st.sampled_from([0.02, 0.3, 1.0])),
        largest=draw(st.sampled_from([2, 20, 254])),
        state_bits=state_bits,
        leak_shift=draw(st.integers(1, 6)),
        membrane_shift=draw(st.integers(1, 22 - state_bits)),
        threshold=threshold,
        message_max=draw(st.sampled_from([None, None, 127, 7])),
        bias_bits=draw(st.integers(1, 23)),
    )


def refuse_unequal(one: EmulatedRun, other: EmulatedRun) -> None:
    for name in ("v", "s", "sigma", "m", "messages", "steps", "settled"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for name in ("v", "s", "sigma", "m"):
        np.testing.assert_array_equal(getattr(one.trace, name), getattr(other.trace, name), err_msg=name)


@settings(max_examples=150)
@given(cases())
def test_fast_equals_plain_at_every_step(drawn):
    settled = emulate(drawn.network, drawn.bias, max_steps=120, trace=True)
    refuse_unequal(settled, emulate_plain(drawn.network, drawn.bias, max_steps=120, trace=True))


@settings(max_examples=30)
@given(cases(), st.integers(1, 60))
def test_fast_equals_plain_from_any_state(drawn, cut):
    start = emulate(drawn.network, drawn.bias, steps=cut).state
    other = drawn.bias[::-1].copy()
    refuse_unequal(
        emulate(drawn.network, other, start=start, steps=40, trace=True),
        emulate_plain(drawn.network, other, start=start, steps=40, trace=True),
    )


def test_overflow_happens_in_these_cases():
    """The law above is about wrapped sums and clipped membranes only if there are any."""
    drawn = case(1, size=30, fill=1.0, state_bits=16, membrane_shift=6, bias_bits=23)
    trace = emulate(drawn.network, drawn.bias, steps=60, trace=True).trace
    s, weight = trace.s.astype(np.int64), drawn.network.weight.toarray().astype(np.int64)
    assert (np.abs(s[:-1] @ weight.T) >= 2**23).mean() > 0.2
    assert (s[:-1] @ weight.T != trace.sigma[1:]).any()
    assert (np.abs(trace.v) == 2**23 - 1).mean() > 0.1
    refuse_unequal(
        emulate(drawn.network, drawn.bias, steps=60, trace=True),
        emulate_plain(drawn.network, drawn.bias, steps=60, trace=True),
    )


def test_sums_beyond_31_bits_happen_and_agree():
    drawn = case(2, size=100, fill=1.0, state_bits=20, membrane_shift=1, bias_bits=23)
    first = emulate(drawn.network, drawn.bias, steps=2, trace=True).trace
    arriving = first.m[0].astype(np.int64) @ drawn.network.weight.toarray().T.astype(np.int64)
    assert np.abs(arriving).max() > 2**31
    refuse_unequal(
        emulate(drawn.network, drawn.bias, steps=20, trace=True),
        emulate_plain(drawn.network, drawn.bias, steps=20, trace=True),
    )
