"""Loops over blocks of units and groups of samples, around the vectors of `stencil_kernels`.

Near both ends of a sample's memory a shift would leave it: there the loops run on a copy with zeros
beyond.

numba keeps the compiled loops by the processor and the date of this file alone: after a change of
`stencil_kernels`, touch this file too, or clear its __pycache__.
"""

from typing import Any

import numpy as np
from numba import njit

from mep_neuro.equilibrium.couplings.stencil_kernels import (
    BLOCK,
    PAIRED,
    SAMPLES,
    contrast_many,
    contrast_one,
    product_many,
    product_one,
    put,
    turn,
)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba has no types
def product(
    out: Any, base: Any, s: Any, w: Any, rows: Any, where: Any, gain: Any, reach: int, lanes: int
) -> None:
    """out = base + M s, shape (batch, n); base has one row, for all samples, or one for each."""
    batch, units = s.shape
    margin = -(-(reach + 1) // lanes) * lanes + 2 * lanes
    first = min(margin, units)
    last = max(first, first + (units - margin - first) // lanes * lanes)
    step = 0 if base.shape[0] < batch else 1
    group = SAMPLES if batch >= SAMPLES else 1
    carry = np.zeros((3 * group, lanes), s.dtype)
    for b in range(0, batch, group):  # the last group may do some samples again
        at = min(b, batch - group)
        for begin, end in ((0, first), (last, units)):
            if begin < end:
                _product_end(out, base, step, s, w, rows, where, gain, carry, margin, at, begin, end)
    for begin in range(first, last, BLOCK):
        end = min(begin + BLOCK, last)
        for b in range(0, batch, group):
            at = min(b, batch - group)
            _product_block(out, base, step, s, w, rows, where, gain, carry, at, begin, end, 0)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba has no types
def _product_block(
    out: Any,
    base: Any,
    step: int,
    s: Any,
    w: Any,
    rows: Any,
    where: Any,
    gain: Any,
    carry: Any,
    b: int,
    begin: int,
    end: int,
    shift: int,
) -> None:
    lanes = carry.shape[1]
    for j in range(begin - lanes, end + lanes, lanes):
        if carry.shape[0] == 3:
            product_one(out, base, step, s, w, rows, where, gain, carry, b, j, j + shift, j > begin)
        else:
            product_many(out, base, step, s, w, rows, where, gain, carry, b, j, j + shift, j > begin)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba has no types
def _product_end(
    out: Any,
    base: Any,
    step: int,
    s: Any,
    w: Any,
    rows: Any,
    where: Any,
    gain: Any,
    carry: Any,
    margin: int,
    b: int,
    begin: int,
    end: int,
) -> None:
    """Units near an end, on a copy with zeros beyond it."""
    group, lanes = carry.shape[0] // 3, carry.shape[1]
    span = -(-(end - begin) // lanes) * lanes
    there = np.zeros((group, span + 2 * margin), s.dtype)
    under, onto = np.zeros_like(there), np.empty_like(there)
    lower, upper = max(0, begin - margin), min(s.shape[1], end + margin)
    shift = begin - margin
    for m in range(group):
        there[m, lower - shift : upper - shift] = s[b + m, lower:upper]
        under[m, margin : margin + end - begin] = base[(b + m) * step, begin:end]
    _product_block(onto, under, 1, there, w, rows, where, gain, carry, 0, margin, margin + span, shift)
    for m in range(group):
        out[b + m, begin:end] = onto[m, margin : margin + end - begin]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba has no types
def add_rest(out: Any, s: Any, pre: Any, post: Any, forth: Any, back: Any) -> None:
    """What single synapses carry, added to out."""
    for b in range(s.shape[0]):
        for e in range(pre.size):
            out[b, post[e]] += forth[e] * s[b, pre[e]]
            out[b, pre[e]] += back[e] * s[b, post[e]]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba has no types
def contrast(
    edges: Any,
    mean: Any,
    slope: Any,
    rows: Any,
    line: Any,
    ahead: Any,
    first_edge: Any,
    whole: Any,
    direction: Any,
    factor: Any,
    reach: int,
    lanes: int,
) -> None:
    """edges = factor (slope_post mean_pre + mean_post slope_pre), summed over the batch.

    `direction` of an edge is its place in `line`, below 0 for single synapses, which are left out.
    """
    units = mean.shape[1]
    pairs = np.zeros((3 * rows.size, BLOCK + 3 * lanes + 16), mean.dtype)
    turned = np.zeros((lanes, line.size), mean.dtype)
    front, behind = 2 * lanes, reach + 4 * lanes
    first = min(front, units)
    last = max(first, first + (units - behind - first) // lanes * lanes)
    for lower, upper in ((0, first), (first, last), (last, units)):  # edges are written in their order
        seen_mean, seen_slope, shift = mean, slope, 0
        if upper != last or first == last:
            seen_mean = _beyond(mean, lower - front, upper + behind)
            seen_slope = _beyond(slope, lower - front, upper + behind)
            shift = lower - front
        for begin in range(lower, upper, BLOCK):
            end = min(begin + BLOCK, upper)
            _pair_sums(pairs, seen_mean, seen_slope, rows, begin - shift, end - shift, lanes)
            _write_edges(edges, pairs, turned, line, ahead, first_edge, whole, direction, factor, begin, end)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba has no types
def _beyond(states: Any, begin: int, end: int) -> Any:
    """A copy of units begin to end, zero where there are none."""
    copied = np.zeros((states.shape[0], end - begin), states.dtype)
    lower, upper = max(0, begin), min(states.shape[1], end)
    copied[:, lower - begin : upper - begin] = states[:, lower:upper]
    return copied


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba has no types
def _pair_sums(pairs: Any, mean: Any, slope: Any, rows: Any, begin: int, end: int, lanes: int) -> None:
    batch = mean.shape[0]
    pairs[:] = 0
    for b in range(0, batch - batch % PAIRED, PAIRED):
        for j in range(begin - lanes, end + lanes, lanes):
            contrast_many(pairs, mean, slope, rows, b, j, j - begin + lanes)
    for b in range(batch - batch % PAIRED, batch):
        for j in range(begin - lanes, end + lanes, lanes):
            contrast_one(pairs, mean, slope, rows, b, j, j - begin + lanes)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba has no types
def _write_edges(
    edges: Any,
    pairs: Any,
    turned: Any,
    line: Any,
    ahead: Any,
    first_edge: Any,
    whole: Any,
    direction: Any,
    factor: Any,
    begin: int,
    end: int,
) -> None:
    lanes = turned.shape[0]
    for i in range(begin, end, lanes):
        for d in range(0, line.size, lanes):
            turn(turned, pairs, line, ahead, factor, d, i - begin + lanes)
        for k in range(min(lanes, end - i)):
            e = first_edge[i + k]
            # A vector is longer than what it holds: the next units' edges are written after it.
            if whole[i + k] and e + line.size <= edges.size:
                for d in range(0, line.size, lanes):
                    put(edges, e + d, turned, k, d)
            else:
                for single in range(e, first_edge[i + k + 1]):
                    if direction[single] >= 0:
                        edges[single] = turned[k, direction[single]]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba has no types
def contrast_rest(edges: Any, mean: Any, slope: Any, which: Any, pre: Any, post: Any, factor: Any) -> None:
    """The contrast of single synapses, into edges[which]."""
    sums = np.zeros(which.size, mean.dtype)
    for b in range(mean.shape[0]):
        for e in range(which.size):
            sums[e] += slope[b, post[e]] * mean[b, pre[e]] + mean[b, post[e]] * slope[b, pre[e]]
    for e in range(which.size):
        edges[which[e]] = factor * sums[e]
