"""Laws of spiking networks: read-outs tend to the rate fixed point, sigma is W s, silence is stable."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mep_neuro.neurons.fixed_point import on_grid
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.reference import euler
from mep_neuro.simulation.spiking import spiking_currents, spiking_phase
from mep_neuro.simulation.stimulus import present
from mep_neuro.topology.reader import read_spec

EVENT_MODELS = ("sif", "sigma_delta", "annealed_sigma_delta")  # lif has a floor of its own


@st.composite
def networks(draw: Any, models: tuple[str, ...], bias: float | None = None) -> Network:
    """Two layers whose coupled map contracts, so that the fixed point is one."""
    chosen = draw(st.floats(-0.2, 0.6)) if bias is None else bias
    spec = {
        "schema": "mep-neuro/1",
        "name": "drawn",
        "neurons": {"unit": {"model": draw(st.sampled_from(models))}},
        "populations": {
            "input": {"shape": [4], "role": "input"},
            "hidden": {"shape": [draw(st.integers(1, 12))], "neuron": "unit", "bias": chosen},
            "output": {"shape": [3], "role": "output", "neuron": "unit", "bias": chosen},
        },
        "projections": {
            "up": {"pre": "input", "post": "hidden", "connector": {"type": "dense"}},
            "out": {
                "pre": "hidden",
                "post": "output",
                "connector": {"type": "dense"},
                "feedback_gain": draw(st.sampled_from([1.0, 0.5])),
                "weight": {"spectral_radius": draw(st.floats(0.1, 0.7))},
            },
        },
    }
    return build(read_spec(spec), draw(st.integers(0, 1000)))


@settings(max_examples=12, deadline=None)
@given(networks(EVENT_MODELS), st.integers(0, 1000))
def test_the_read_out_tends_to_the_rate_fixed_point(network: Network, seed: int) -> None:
    stimulus = present(network, np.random.default_rng(seed).random((2, 4)))
    last = {name: v[-1] for name, v in euler(network, stimulus, 400, 1e-3).items()}
    error = {}
    for slots in (64, 512):
        rates = spiking_phase(network, stimulus, slots=slots).rates
        error[slots] = max(np.abs(rates[name] - np.clip(v, 0, 1)).max() for name, v in last.items())
    model = network.output.model
    if model == "sigma_delta":
        # |s - clip(W s + b)| <= theta / 2 at rest; the map's norm of 0.7 / sqrt(0.5) may leave 1 / (1 - 0.7)
        # of it in the norm over at most 15 units: sqrt(15) 2^-9 / 0.3.
        assert error[512] <= np.sqrt(15) * 2.0**-9 / 0.3
    elif model == "annealed_sigma_delta":
        assert error[512] <= 2e-5  # the same at theta = 2^-20, and 2^-25 of each weight's rounding
    else:
        # A constant rate's own error falls as 1 / slots^2 but for rates near a small fraction of a spike a
        # slot, whose beat outlives the window: one spike in the triangle's middle, 2 / (0.6 slots).
        assert error[512] <= 2.0 / (0.6 * 512)


@settings(max_examples=12, deadline=None)
@given(networks(("sigma_delta", "annealed_sigma_delta")), st.integers(0, 1000), st.integers(1, 60))
def test_what_the_receivers_have_summed_is_the_weighted_state(
    network: Network, seed: int, slots: int
) -> None:
    """sigma + what is in flight = W s, exactly, after any number of slots."""
    stimulus = present(network, np.random.default_rng(seed).random((2, 4)))
    end = spiking_phase(network, stimulus, slots=slots).end
    weight = spiking_currents(network).recurrent
    np.testing.assert_array_equal(end.i + (weight @ end.m.T).T, (weight @ end.s.T).T)


@settings(max_examples=12, deadline=None)
@given(networks((*EVENT_MODELS, "lif"), bias=0.0), st.integers(1, 300))
def test_silence_is_stable(network: Network, slots: int) -> None:
    """Without drive nothing is ever sent, and a network that was driven falls silent and stays so."""
    nothing = present(network, np.zeros((1, 4)))
    phase = spiking_phase(network, nothing, slots=slots)
    assert not any(messages.any() for messages in phase.messages.values())
    driven = spiking_phase(network, present(network, np.ones((1, 4))), slots=40)
    off = {p.name: on_grid(np.full((1, p.size), -0.5)) for p in network.dynamic}
    quiet = spiking_phase(network, nothing, slots=200, nudge=off, start=driven.end)
    after = spiking_phase(network, nothing, slots=slots, start=quiet.end)
    assert not any(messages.any() for messages in after.messages.values())
    assert not after.rates["output"].any()
