"""Compiled loops over the neighbours of every unit, around the vectors of `vectors` and the rates of `rates`.

Memory is units-first: the samples (columns) of a unit lie side by side, so that a vector holds one
unit's samples. What a sample gets does not depend on its place or on the samples beside it.

numba keeps the compiled loops by the processor and the date of this file alone: after a change of
`vectors` or `rates`, touch this file too, or clear its __pycache__.
"""

from typing import Any

import numpy as np
from numba import njit

from mep_neuro.equilibrium.couplings.rates import like, pair, rate, steep
from mep_neuro.equilibrium.couplings.vectors import (
    ABREAST,
    VECTOR_BYTES,
    add_up,
    gather_abreast,
    gather_number,
    gather_vector,
    pairs_abreast,
    pairs_number,
    pairs_vector,
    take_number,
    take_vector,
)
from mep_neuro.equilibrium.solvers.form import PAIR, RATE


@njit(inline="always")  # type: ignore[untyped-decorator]  # numba has no types
def _current(
    into: Any, to: int, base: Any, at: int, seen: Any, columns: int, rows: Any, unit: int, upwards: bool
) -> None:
    """Current into one unit: base and what the neighbours send, the unit last updated at the end."""
    lanes = VECTOR_BYTES // seen.itemsize
    begin, count = rows.start[unit], rows.start[unit + 1] - rows.start[unit]
    step = 1 if upwards else -1
    first = begin if upwards else begin + count - 1
    column, value = rows.column, rows.value
    c = 0
    while c + ABREAST * lanes <= columns:
        gather_abreast(into, to + c, base, at + c, seen, c, columns, column, value, first, count, step)
        c += ABREAST * lanes
    while c + lanes <= columns:
        gather_vector(into, to + c, base, at + c, seen, c, columns, column, value, first, count, step)
        c += lanes
    while c < columns:
        gather_number(into, to + c, base, at + c, seen, c, columns, column, value, first, count, step)
        c += 1


@njit(cache=True, nogil=True, _nrt=False)  # type: ignore[untyped-decorator]  # numba has no types
def product(out: Any, seen: Any, rows: Any) -> None:
    """out += M seen; both flat, units first."""
    units = rows.start.size - 1
    columns = seen.size // units
    for unit in range(units):
        _current(out, unit * columns, out, unit * columns, seen, columns, rows, unit, True)


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
        scratch: Three rows to work in, of as many numbers as columns.
        upwards: From the first unit to the last, or back.
        write: Whether states change.
    """
    units = rows.start.size - 1
    columns = state.size // units
    current, new, spare = scratch
    for turn in range(units):
        unit = turn if upwards else units - 1 - turn
        _current(current, 0, base, unit * columns, state, columns, rows, unit, upwards)
        if currents.size:
            _put(currents, unit * columns, current)
        _follow(new, spare, current, rule, unit)
        plain = columns if rule.how == RATE else (columns // 2 if rule.how == PAIR else 0)
        at_once = write and omega.size == 0
        _take(state, unit * columns, new, change, like(1.0, new[0]), 0, plain, at_once)
        if plain < columns:
            _take(state, unit * columns, new, change, rule.weight[unit], plain, columns, at_once)
        if omega.size:
            _relax(state, unit * columns, new, omega)


@njit(inline="always")  # type: ignore[untyped-decorator]  # numba has no types
def _take(state: Any, at: int, new: Any, change: Any, factor: Any, begin: int, end: int, write: bool) -> None:
    """Measure the change of columns begin to end, times factor, and put the new states in their place."""
    lanes = VECTOR_BYTES // state.itemsize
    c = begin
    while c + lanes <= end:
        take_vector(state, at + c, new, change, c, factor, write)
        c += lanes
    while c < end:
        take_number(state, at + c, new, change, c, factor, write)
        c += 1


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
def _follow(new: Any, spare: Any, current: Any, rule: Any, unit: int) -> None:
    """The state under a current."""
    columns = new.size
    half = columns // 2
    if rule.how == RATE:
        rate(new, current, columns, rule)
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
    mean: Any,
    mean_width: int,
    slope: Any,
    slope_width: int,
    samples: int,
    start: Any,
    column: Any,
    factor: Any,
    sums: Any,
    last: Any,
) -> None:
    """edges[e] = factor (mean[u] slope[j] + slope[u] mean[j]), summed over the samples.

    For each unit u and e from start[u] to start[u + 1], with j = column[e]. Edges come in the order of u:
    a vector of them may be written over those of the next unit. `sums` and `last` are room to work in: a
    vector for each edge of a unit and one more vector of edges, and one vector.
    """
    lanes = VECTOR_BYTES // mean.itemsize
    for unit in range(start.size - 1):
        begin, end = start[unit], start[unit + 1]
        for i in range((end - begin) * lanes):
            sums[i] = 0
        c = 0
        while c + ABREAST * lanes <= samples:
            pairs_abreast(sums, mean, mean_width, slope, slope_width, unit, c, column, begin, end)
            c += ABREAST * lanes
        while c + lanes <= samples:
            pairs_vector(sums, mean, mean_width, slope, slope_width, unit, c, column, begin, end)
            c += lanes
        while c < samples:
            pairs_number(sums, mean, mean_width, slope, slope_width, unit, c, column, begin, end)
            c += 1
        for e in range(begin, end, lanes):
            if e + lanes <= edges.size:
                add_up(edges, e, sums, e - begin, factor)
            else:
                add_up(last, 0, sums, e - begin, factor)
                for i in range(end - e):
                    edges[e + i] = last[i]
