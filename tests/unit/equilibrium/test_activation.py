"""Activations in torch are those of the table of neurons; a pair is two of them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mep_neuro.equilibrium.activation import RHO
from mep_neuro.neurons.activation import ACTIVATIONS

names = pytest.mark.parametrize("name", sorted(RHO))
currents = st.lists(st.floats(-30.0, 30.0), min_size=1, max_size=20)
SMOOTH = ("tanh", "sigmoid")
GRID = torch.linspace(-3.0, 3.0, 241, dtype=torch.float64)


@names
def test_the_rate_is_that_of_the_neuron(name: str) -> None:
    assert np.allclose(RHO[name].rate(GRID).numpy(), ACTIVATIONS[name](GRID.numpy()), rtol=0, atol=1e-15)


@names
@given(a=currents, u=st.floats(-5.0, 5.0))
def test_a_pair_is_the_mean_and_the_half_difference(name: str, a: list[float], u: float) -> None:
    rho = RHO[name]
    centre = torch.tensor(a, dtype=torch.float64)
    apart = torch.full_like(centre, u)
    mean, half = rho.pair(centre, apart)
    up, down = rho.rate(centre + apart), rho.rate(centre - apart)
    # Beyond 16, where tanh is 1 to rounding, the current is cut off: e^(-2 (16 - 5)) / 2 of the nudge
    # would be seen, and 1e-9 of it is more than that.
    assert torch.allclose(mean, (up + down) / 2, rtol=0, atol=1e-9 if name in SMOOTH else 1e-13)
    assert torch.allclose(half, (up - down) / 2, rtol=0, atol=1e-9 if name in SMOOTH else 1e-13)
    inside = centre.abs() <= 10.0
    assert torch.allclose(mean[inside], ((up + down) / 2)[inside], rtol=0, atol=1e-14)
    assert torch.allclose(half[inside], ((up - down) / 2)[inside], rtol=0, atol=1e-14)


@names
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_half_difference_below_rounding_keeps_its_digits(name: str, dtype: torch.dtype) -> None:
    """rho(a + u) - rho(a - u) would be 0, or noise, at u = 1e-12; it is rho'(a) u."""
    a = torch.linspace(0.1, 0.9, 9, dtype=dtype)
    half = RHO[name].pair(a, torch.full_like(a, 1e-12))[1].double()
    smooth = {
        "tanh": 1 - torch.tanh(a.double()) ** 2,
        "sigmoid": torch.sigmoid(a.double()).mul(torch.sigmoid(-a.double())),
    }
    slope = smooth.get(name, torch.ones(9, dtype=torch.float64))
    assert torch.allclose(half, slope * 1e-12, rtol=1e-5, atol=0)


@names
def test_a_pair_far_out_is_finite(name: str) -> None:
    for dtype in (torch.float32, torch.float64):
        far = torch.tensor([-1e4, -50.0, 50.0, 1e4], dtype=dtype)
        for u in (0.0, 1e-6, 5.0, 80.0):
            mean, half = RHO[name].pair(far, torch.full_like(far, u))
            assert bool(torch.isfinite(mean).all())
            assert bool(torch.isfinite(half).all())
            if u > 5.0:
                continue  # no nudge is this large
            up, down = RHO[name].rate(far.double() + u), RHO[name].rate(far.double() - u)
            assert torch.allclose(mean.double(), (up + down) / 2, rtol=1e-6, atol=1e-6)
