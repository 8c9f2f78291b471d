"""One sweep within a lattice is the mode's own activation, of one unit after the other."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from mep_neuro.equilibrium.activation import RHO, held_at
from mep_neuro.equilibrium.couplings.neighbours import Neighbours
from mep_neuro.equilibrium.couplings.units_first import chosen, samples_first, stacked, together, units_first
from mep_neuro.equilibrium.gates import Competing, Gated
from mep_neuro.equilibrium.solvers.in_lattice import InLattice
from mep_neuro.equilibrium.solvers.modes import Frozen, Mirrored, Mode, Pair, Single
from mep_neuro.simulation.synapses import lattice_synapses
from mep_neuro.topology.spec import Lattice

SHAPE, UNITS, BATCH = (3, 2, 4), 24, 5
SYNAPSES = lattice_synapses(SHAPE, Lattice(type="lattice"), 0.5)


def drawn(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def neighbours(dtype: torch.dtype = torch.float64, size: float = 0.5) -> Neighbours:
    made = Neighbours(SYNAPSES, UNITS, dtype)
    made.take_weights(size * drawn(0, SYNAPSES.pre.size, dtype=dtype))
    return made


WEIGHT, SIZE = drawn(1, UNITS).abs() + 0.5, drawn(2, BATCH).abs() + 0.1
GATES: dict[str, Tensor | None] = {
    "": None,
    "dropout": torch.tensor([0.0, 1.25] * (UNITS // 2), dtype=torch.float64),
    "winners": (drawn(3, BATCH, UNITS) > 0).double(),
}


def mode_of(how: str, activation: str, exponent: int, gate: str) -> tuple[Mode, tuple[int, ...]]:
    """A mode of one block, and the shape of its states."""
    rhos = [held_at(RHO[activation], exponent)]
    if how == "single":
        mode: Mode = Single(rhos)
    elif how == "mirrored":
        mode = Mirrored(rhos, [WEIGHT], lambda: SIZE)
    elif how == "apart":
        mode = Pair(rhos, [WEIGHT], lambda: SIZE)
    else:
        mode = Frozen(rhos, [drawn(4, BATCH, UNITS)], [WEIGHT], lambda: SIZE)
    pair = (2,) if how in ("mirrored", "apart") else ()
    return (mode if GATES[gate] is None else Gated(mode, [GATES[gate]])), (*pair, BATCH, UNITS)


def by_hand(
    mode: Mode, current_of: Callable[[Tensor], Tensor], start: Tensor, base: Tensor, upwards: bool
) -> tuple[Tensor, Tensor]:
    """States and the currents under which they were taken."""
    state, currents = start.clone(), torch.empty_like(start)
    for unit in range(UNITS) if upwards else reversed(range(UNITS)):
        current = base + current_of(state)
        currents[..., unit] = current[..., unit]
        state[..., unit] = mode.activate(0, current)[..., unit]
    return state, currents


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("how", ["single", "mirrored", "apart", "frozen"])
@pytest.mark.parametrize("activation", sorted(RHO))
@pytest.mark.parametrize("exponent", [0, 5, 45])  # beyond 40 rho is linear in half-differences
def test_a_sweep_is_the_activation_of_one_unit_after_the_other(
    how: str, activation: str, exponent: int, gate: str
) -> None:
    mode, shape = mode_of(how, activation, exponent, gate)
    form = mode.form(0)
    assert form is not None
    start, drive, others = drawn(5, *shape), drawn(6, *shape), drawn(7, *shape)
    for upwards in (True, False):
        work = InLattice(neighbours(), form, drive, start, upwards=upwards, with_currents=True)
        expected, currents = by_hand(mode, neighbours().current, start, drive + others, upwards)
        left = work.residual(others)
        assert torch.equal(work.state, start)
        rest = mode.activate(0, drive + others + neighbours().current(start))
        close = {"rtol": 1e-12, "atol": 1e-12}  # sums of 26 terms in another order, and their activations
        torch.testing.assert_close(left, mode.distance(0, rest, start), **close)
        change = work.sweep(others)
        torch.testing.assert_close(work.state, expected, **close)
        torch.testing.assert_close(change, mode.distance(0, expected, start), **close)
        assert work.currents is not None
        torch.testing.assert_close(work.currents, currents, **close)
        assert torch.equal(start, drawn(5, *shape))


def test_units_that_compete_have_no_such_form() -> None:
    single = Single([RHO["relu"]])
    assert Competing(single, [3], [False], [None]).form(0) is None
    assert Competing(single, [None], [False], [None]).form(0) is not None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("how", ["single", "mirrored"])
def test_what_a_sample_gets_does_not_depend_on_the_others(how: str, dtype: torch.dtype) -> None:
    batch, pair = 43, (2,) if how == "mirrored" else ()
    start, drive = drawn(8, *pair, batch, UNITS, dtype=dtype), drawn(9, *pair, batch, UNITS, dtype=dtype)

    def swept(rows: Tensor) -> Tensor:
        rhos, weight = [RHO["tanh"]], WEIGHT.to(dtype)
        mode = Single(rhos) if how == "single" else Mirrored(rhos, [weight], lambda: torch.ones(len(rows)))
        form = mode.form(0)
        work = InLattice(neighbours(dtype), form, chosen(drive, rows), chosen(start, rows), upwards=True)
        work.sweep()
        work.sweep()
        return work.state

    together = swept(torch.arange(batch))
    for rows in ([3], [42, 4], list(range(2, 13)), list(reversed(range(batch)))):
        assert torch.equal(swept(torch.tensor(rows)), together[..., rows, :])


@pytest.mark.parametrize("how", ["single", "mirrored", "frozen"])
def test_samples_that_stay_go_on_as_before(how: str) -> None:
    mode, shape = mode_of(how, "tanh", 0, "winners")
    rows, form = torch.tensor([3, 0, 4]), mode.form(0)
    kept_mode = mode.keep(rows)
    kept_form = kept_mode.form(0)
    assert form is not None
    assert kept_form is not None
    both = [InLattice(neighbours(), form, drawn(6, *shape), drawn(5, *shape), upwards=True) for _ in range(2)]
    both[1].keep(rows, kept_form)
    change = [work.sweep() for work in both]
    assert torch.equal(both[1].state, both[0].state[..., rows, :])
    assert torch.equal(change[1], change[0][rows])


def test_what_is_no_number_shows_in_the_change() -> None:
    for activation in RHO:
        form = Single([RHO[activation]]).form(0)
        drive = drawn(6, BATCH, UNITS)
        drive[2, 7] = torch.nan
        work = InLattice(neighbours(), form, drive, drawn(5, BATCH, UNITS), upwards=True)
        assert work.sweep().isnan().tolist() == [False, False, True, False, False]


def test_no_copy_of_states_that_are_laid_units_first() -> None:
    state = drawn(5, 2, BATCH, UNITS)
    memory = units_first(state)
    seen = samples_first(memory, state.shape)
    assert torch.equal(seen, state)
    assert units_first(seen).data_ptr() == memory.data_ptr()
    assert torch.equal(chosen(seen, torch.tensor([2, 1])), state[:, [2, 1]])
    assert chosen(seen, torch.tensor([2, 1])).stride(-1) != 1


def test_the_contrast_of_a_part_of_a_pair_is_that_of_a_copy() -> None:
    pair = samples_first(units_first(drawn(5, 2, BATCH, UNITS)), torch.Size((2, BATCH, UNITS)))
    found = neighbours().contrast(pair[0], pair[1], 0.5)
    assert torch.equal(found, neighbours().contrast(pair[0].contiguous(), pair[1].contiguous(), 0.5))
    pre, post = SYNAPSES.pre, SYNAPSES.post
    mean, slope = pair.numpy()
    expected = 0.5 * (slope[:, post] * mean[:, pre] + mean[:, post] * slope[:, pre]).sum(0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_pieces_and_pairs_of_a_population_stay_units_first() -> None:
    """Also where the first piece is one sample, which lies both ways: every sweep would copy the states."""
    laid = samples_first(drawn(0, UNITS, BATCH), torch.Size((BATCH, UNITS)))
    pieces = [chosen(laid, torch.tensor([0])), chosen(laid, torch.arange(1, BATCH))]
    whole = together(pieces)
    assert torch.equal(whole, laid)
    pair = stacked(whole, 2 * whole, whole)
    assert torch.equal(pair, torch.stack([laid, 2 * laid]))
    for states in (whole, pair):
        assert units_first(states).data_ptr() == states.data_ptr()
