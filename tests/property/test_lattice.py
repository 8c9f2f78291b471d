"""A lattice's compiled loops are its list of synapses, which are its neighbours."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mep_neuro.equilibrium.couplings.neighbours import Neighbours
from mep_neuro.simulation.synapses import Synapses, lattice_synapses
from mep_neuro.topology.spec import Lattice

Array = NDArray[np.float64]
ROUNDING = 1e-12  # sums of at most 342 products of normal numbers


@st.composite
def lattices(draw: st.DrawFn, largest: int = 12) -> tuple[tuple[int, int, int], Lattice]:
    connector = Lattice(
        type="lattice",
        neighbours=draw(st.sampled_from([6, 18, 26])),
        radius=draw(st.integers(1, 3)),
        periodic=draw(st.booleans()),
        axis=draw(st.integers(0, 2)),
    )
    least = 2 * connector.radius + 1 if connector.periodic else 1
    sides = st.integers(least, max(largest, least))
    return (draw(sides), draw(sides), draw(sides)), connector


@given(lattices(largest=5))
def test_the_synapses_are_the_neighbours_by_distance(lattice: tuple[tuple[int, int, int], Lattice]) -> None:
    shape, connector = lattice
    synapses = lattice_synapses(shape, connector, 0.5)
    places = list(product(*map(range, shape)))
    most = {6: 1, 18: 2, 26: 3}[connector.neighbours] * connector.radius
    pairs = set()
    for (i, a), (j, b) in product(enumerate(places), repeat=2):
        apart = [abs(x - y) for x, y in zip(a, b, strict=True)]
        if connector.periodic:
            apart = [min(d, n - d) for d, n in zip(apart, shape, strict=True)]
        if i < j and max(apart) <= connector.radius and sum(apart) <= most:
            pairs.add((i, j))
    found = list(zip(synapses.pre.tolist(), synapses.post.tolist(), strict=True))
    assert [tuple(sorted(pair)) for pair in found] == sorted(pairs)
    for (i, j), gain in zip(found, synapses.gain, strict=True):
        before, after = places[i][connector.axis], places[j][connector.axis]
        assert before <= after
        steps = after - before
        around = shape[connector.axis] - steps if connector.periodic else steps
        assert gain == 0.5 ** min(steps, around)


def expected_current(synapses: Synapses, weight: Array, state: Array, forth: Array, back: Array) -> Array:
    current = np.zeros_like(state)
    np.add.at(current.T, synapses.post, ((forth * weight)[:, None] * state.T[synapses.pre]))
    np.add.at(current.T, synapses.pre, ((back * weight)[:, None] * state.T[synapses.post]))
    return current


def expected_contrast(synapses: Synapses, mean: Array, slope: Array) -> Array:
    pre, post = synapses.pre, synapses.post
    total: Array = (slope[:, post] * mean[:, pre] + mean[:, post] * slope[:, pre]).sum(0)
    return total


@settings(deadline=None)  # the first call compiles
@example(lattice=((2, 2, 2), Lattice(type="lattice")), batch=1, seed=0)
@example(lattice=((17, 19, 16), Lattice(type="lattice", periodic=True)), batch=9, seed=0)
@example(lattice=((3, 40, 40), Lattice(type="lattice", neighbours=18)), batch=8, seed=0)
@example(lattice=((40, 3, 5), Lattice(type="lattice", neighbours=6)), batch=5, seed=0)
@given(lattice=lattices(), batch=st.integers(1, 40), seed=st.integers(0, 1000))
def test_current_and_contrast_are_those_of_the_synapses(
    lattice: tuple[tuple[int, int, int], Lattice], batch: int, seed: int
) -> None:
    shape, connector = lattice
    synapses, size = lattice_synapses(shape, connector, 0.3), int(np.prod(shape))
    rng = np.random.default_rng(seed)
    weight, factor = rng.standard_normal(synapses.pre.size), rng.standard_normal()
    base, mean, slope = rng.standard_normal((3, batch, size))
    made = Neighbours(synapses, size, torch.float64)
    made.take_weights(torch.zeros(synapses.pre.size, dtype=torch.float64))
    made.take_weights(torch.from_numpy(weight))
    ones, root = np.ones(synapses.pre.size), np.sqrt(synapses.gain)
    expected = expected_current(synapses, weight, mean, ones, synapses.gain)
    close = {"rtol": 0, "atol": ROUNDING}
    state = torch.from_numpy(mean)
    np.testing.assert_allclose(made.current(state), expected, **close)
    np.testing.assert_allclose(made.current(state, torch.from_numpy(base)), base + expected, **close)
    shared = torch.from_numpy(base[:1]).expand(batch, size)
    np.testing.assert_allclose(made.current(state, shared), base[:1] + expected, **close)
    balanced = expected_current(synapses, weight, mean, root, root)
    np.testing.assert_allclose(made.balanced(state), balanced, **close)
    both = made.current(torch.from_numpy(np.stack([mean, slope])), torch.from_numpy(np.stack([base, base])))
    np.testing.assert_allclose(both[0], base + expected, **close)
    of_slope = expected_current(synapses, weight, slope, ones, synapses.gain)
    np.testing.assert_allclose(both[1], base + of_slope, **close)
    contrast = made.contrast(state, torch.from_numpy(slope), float(factor))
    np.testing.assert_allclose(contrast, factor * expected_contrast(synapses, mean, slope), **close)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_a_sample_gets_does_not_depend_on_the_others(dtype: torch.dtype) -> None:
    shape = (14, 13, 15)
    synapses, size = lattice_synapses(shape, Lattice(type="lattice"), 0.3), int(np.prod(shape))
    generator = torch.Generator().manual_seed(0)
    made = Neighbours(synapses, size, dtype)
    made.take_weights(torch.randn(synapses.pre.size, generator=generator, dtype=dtype))
    states, base = torch.randn(2, 19, size, generator=generator, dtype=dtype)
    together = made.current(states, base)
    for rows in ([3], [18, 4], list(range(2, 13)), list(reversed(range(19)))):
        assert torch.equal(made.current(states[rows], base[rows]), together[rows])


def test_float32_is_as_close_as_its_rounding() -> None:
    shape = (20, 18, 33)
    synapses, size = lattice_synapses(shape, Lattice(type="lattice"), 0.3), int(np.prod(shape))
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(synapses.pre.size, generator=generator, dtype=torch.float64)
    mean, slope = torch.randn(2, 32, size, generator=generator, dtype=torch.float64)
    results = []
    for dtype in (torch.float32, torch.float64):
        made = Neighbours(synapses, size, dtype)
        made.take_weights(weight.to(dtype))
        results.append((made.current(mean.to(dtype)), made.contrast(mean.to(dtype), slope.to(dtype), 1.0)))
    for single, double in zip(*results, strict=True):
        assert (single - double).abs().max() < 64 * 1.2e-7 * double.abs().max()  # 64 terms a sum
