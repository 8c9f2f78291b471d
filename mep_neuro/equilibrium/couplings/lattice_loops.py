"""Compiled loops over the neighbours of every unit, around those of `vector_loops` and the rates of `rates`.

Memory is units-first: the samples (columns) of a unit lie side by side, so that a vector holds one
unit's samples. What a sample gets does not depend on its place or on the samples beside it.

numba keeps the compiled loops by the processor and the date of this file alone: after a change of
`vectors`, `vector_loops` or `rates`, touch this file too, or clear its __pycache__.
"""

from typing import Any

import numpy as np
from numba import njit

from mep_neuro.equilibrium.couplings.rates import like, pair, rate, steep
from mep_neuro.equilibrium.couplings.vector_loops import gather, pairs, take
from mep_neuro.equilibrium.solvers.form import PAIR, RATE


@njit(inline="always")  # type: ignore[untyped-decorator]  # numba has no types
def _current(
    into: Any, base: Any, at: int, seen: Any, columns: int, rows: Any, unit: int, upwards: bool
) -> None:
    """Current into one unit: base and what the neighbours send, the unit last updated at the end."""
    begin, count = rows.start[unit], rows.start[unit + 1] - rows.start[unit]
    first, step = (begin, 1) if upwards else (begin + count - 1, -1)
    gather(into, base, at, seen, columns, rows.column, rows.value, first, count, step)


@njit(cache=True, nogil=True, _nrt=False)  # type: ignore[untyped-decorator]  # numba has no types
def product(out: Any, seen: Any, rows: Any, scratch: Any) -> None:
    """out += M seen; both flat, units first. `scratch` is a row to work in, as in `sweep`."""
    units = rows.start.size - 1
    columns = seen.size // units
    for unit in range(units):
        _current(scratch, out, unit * columns, seen, columns, rows, unit, True)
        _put(out, unit * columns, scratch[:columns])


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)  # type: ignore[untyped-decorator]  # numba has no types
def sweep(
    state: Any,
    base: Any,
    rows: Any,
    rule: Any,
    change: Any,
    currents: Any,
    omega: Any,
    scratch: Any,
    upwards: bool,
    write: bool,
) -> None:
    """Every unit in its turn takes its state under the present states of the others, in place.

    Args:
        state: Flat, units first; left as it is unless `write`.
        base: Current from elsewhere, like state.
        rows: What reaches each unit.
        rule: How a state follows from a current.
        change: Raised to the largest |new - old| of each column.
        currents: Receives the current under which each state was taken, like state; or empty.
        omega: How far each column goes towards its new state, 1 being there; or empty, for 1.
        scratch: Three rows to work in, of at least as many numbers as columns; what is beyond, is 0.
        upwards: From the first unit to the last, or back.
        write: Whether states change.
    """
    units = rows.start.size - 1
    columns = state.size // units
    current, new, spare = scratch
    for turn in range(units):
        unit = turn if upwards else units - 1 - turn
        at = unit * columns
        _current(current, base, at, state, columns, rows, unit, upwards)
        if currents.size:
            _put(currents, at, current[:columns])
        _follow(new, spare, current, columns, rule, unit)
        plain = columns if rule.how == RATE else (columns // 2 if rule.how == PAIR else 0)
        at_once = write and omega.size == 0
        take(state, at, new, change, 0, plain, like(1.0, new[0]), at_once)
        if plain < columns:
            take(state, at + plain, new, change, plain, columns - plain, rule.weight[unit], at_once)
        if omega.size:
            _relax(state, at, new[:columns], omega)


@njit(inline="always")  # type: ignore[untyped-decorator]  # numba has no types
def _relax(state: Any, first: Any, new: Any, omega: Any) -> None:
    first = np.uintp(first)
    for c in range(new.size):
        old = state[first + np.uintp(c)]
        state[first + np.uintp(c)] = old + omega[c] * (new[c] - old)


@njit(inline="always")  # type: ignore[untyped-decorator]  # numba has no types
def _put(into: Any, first: Any, row: Any) -> None:
    first = np.uintp(first)  # `rates` says why
    for c in range(row.size):
        into[first + np.uintp(c)] = row[c]


@njit(inline="always")  # type: ignore[untyped-decorator]  # numba has no types
def _follow(new: Any, spare: Any, current: Any, columns: int, rule: Any, unit: int) -> None:
    """The state under a current."""
    half = columns // 2
    if rule.how == RATE:
        rate(new, current, new.size, rule)
    elif rule.how == PAIR and rule.steep:
        rate(new, current, half, rule)
        steep(new, half, current, 0, current, half, half, rule)
    elif rule.how == PAIR:
        pair(new, new, half, current, 0, current, half, half, rule)
    elif rule.steep:
        steep(new, 0, rule.at, unit * columns, current, 0, columns, rule)
    else:
        pair(spare, new, 0, rule.at, unit * columns, current, 0, columns, rule)
    if rule.gates:
        for c in range(columns):
            new[c] *= rule.gate[unit if rule.gates == 1 else unit * columns + c]


@njit(cache=True, nogil=True, _nrt=False)  # type: ignore[untyped-decorator]  # numba has no types
def contrast(
    edges: Any,
    start: Any,
    column: Any,
    mean: Any,
    mean_width: int,
    slope: Any,
    slope_width: int,
    samples: int,
    factor: Any,
) -> None:
    """edges[e] = factor (mean[u] slope[j] + slope[u] mean[j]), summed over the samples.

    For each unit u and e from start[u] to start[u + 1], with j = column[e].
    """
    for u in range(start.size - 1):
        begin, end = start[u], start[u + 1]
        pairs(edges, begin, end, u, column, mean, mean_width, slope, slope_width, samples, factor)
