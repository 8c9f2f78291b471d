"""The loops over neighbours whose sums stay in the registers of the processor, piece by piece of a row."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from mep_neuro.equilibrium.couplings.vectors import (
    Flat,
    folded,
    in_pieces,
    lanes_of,
    llvm,
    multiply_add,
    parts,
    type_name,
)

TOGETHER = 4
"""Edges whose contrasts are summed over the lanes of a vector at once."""

AHEAD = 12
"""A contrast asks for memory so many units before their turn: of a cube of 48^3 it takes 0.8 of the time."""


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def gather(
    typing: Any,
    into: Any,
    base: Any,
    at: Any,
    seen: Any,
    width: Any,
    column: Any,
    value: Any,
    begin: Any,
    count: Any,
    step: Any,
) -> Any:
    """into[i] = base[at + i] + sum of value[e] seen[column[e] width + i], for i below width.

    For `count` places e from begin, step by step. Whole vectors are written.
    """
    signature = types.void(into, base, at, seen, width, column, value, begin, count, step)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at, rows_apart, begin, count, step = (args[k] for k in (2, 4, 7, 8, 9))

        def piece(first: Any, width: int, some: Any) -> None:
            into, base, seen, column, value = (
                Flat(context, builder, signature.args[k], args[k], width) for k in (0, 1, 3, 5, 6)
            )
            total = cgutils.alloca_once_value(builder, base.load(builder.add(at, first), some))
            with cgutils.for_range(builder, count) as loop:
                e = builder.add(begin, builder.mul(loop.index, step))
                row = builder.mul(builder.sext(column.number(e), rows_apart.type), rows_apart)
                state, weight = seen.load(builder.add(row, first), some), seen.spread(value.number(e))
                builder.store(multiply_add(builder, weight, state, builder.load(total)), total)
            into.store(builder.load(total), first)

        in_pieces(builder, rows_apart, lanes_of(signature.args[3]), piece)
        return context.get_dummy_value()

    return signature, generate


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def pairs(
    typing: Any,
    edges: Any,
    begin: Any,
    end: Any,
    u: Any,
    column: Any,
    mean: Any,
    mean_width: Any,
    slope: Any,
    slope_width: Any,
    samples: Any,
    factor: Any,
) -> Any:
    """edges[e] = factor times mean[u] slope[j] + slope[u] mean[j], with j = column[e], over all samples.

    For e from begin to end, TOGETHER at a time and then one by one. Rows of mean and slope lie `mean_width`
    and `slope_width` numbers apart.
    """
    signature = types.void(
        edges, begin, end, u, column, mean, mean_width, slope, slope_width, samples, factor
    )

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        begin, end, u, samples, factor = (args[k] for k in (1, 2, 3, 9, 10))
        rows_apart = args[6], args[8]
        column = Flat(context, builder, signature.args[4], args[4])
        whole = builder.add(begin, builder.and_(builder.sub(end, begin), begin.type(-TOGETHER)))
        lanes = lanes_of(signature.args[5])

        def piece(first: Any, width: int, some: Any) -> None:
            if width < lanes:
                return piece(first, lanes, samples.type(width))
            both = [Flat(context, builder, signature.args[k], args[k], width) for k in (5, 7)]

            def places(unit: Any) -> list[Any]:
                return [builder.add(builder.mul(unit, apart), first) for apart in rows_apart]

            def rows(unit: Any) -> list[list[Any]]:
                loaded = [array.load(at, some) for array, at in zip(both, places(unit), strict=True)]
                return [parts(builder, row, lanes) for row in loaded]

            def product(unit: Any) -> Any:
                (mean_there, slope_there), total = rows(unit), None
                for own, other in zip(own_mean + own_slope, slope_there + mean_there, strict=True):
                    total = multiply_add(builder, own, other, total) if total else builder.fmul(own, other)
                return total

            own_mean, own_slope = rows(u)

            def group(e: Any, count: int) -> None:
                """So many edges, added up over the lanes at once."""
                edges = Flat(context, builder, signature.args[0], args[0], count)
                others = [
                    builder.sext(column.number(builder.add(e, e.type(k))), u.type) for k in range(count)
                ]
                for array, at in zip(both, places(builder.add(others[-1], u.type(AHEAD))), strict=True):
                    array.fetch(at)
                sums, apart = [product(unit) for unit in others], 1
                while apart < count:  # after each turn, lanes that differ by `apart` belong to two edges
                    sums = [folded(builder, sums[k], sums[k + 1], apart) for k in range(0, len(sums), 2)]
                    apart *= 2
                (total,) = sums
                while total.type.count > count:
                    total = builder.fadd(*parts(builder, total, total.type.count // 2))
                before = edges.load(e, first)  # zeros at the first samples: no lane is below 0
                edges.store(multiply_add(builder, total, edges.spread(factor), before), e)

            for since, upto, count in ((begin, whole, TOGETHER), (whole, end, 1)):
                with cgutils.for_range_slice(builder, since, upto, begin.type(count)) as (e, _):
                    group(e, count)

        in_pieces(builder, samples, lanes, piece)
        return context.get_dummy_value()

    return signature, generate


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def take(
    typing: Any, state: Any, at: Any, new: Any, change: Any, c: Any, count: Any, factor: Any, write: Any
) -> Any:
    """Raise change[c + i] to factor |new[c + i] - state[at + i]|, and put new there if `write`.

    For i below count. What is no number stays so. LLVM makes vectors of such a loop too, but asks each
    time whether the arrays overlap: for a row of some samples that takes longer than the loop.
    """
    signature = types.void(state, at, new, change, c, count, factor, write)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at, c, count, factor, write = (args[k] for k in (1, 4, 5, 6, 7))

        def piece(first: Any, width: int, some: Any) -> None:
            state, new, change = (
                Flat(context, builder, signature.args[k], args[k], width) for k in (0, 2, 3)
            )
            place, column = builder.add(at, first), builder.add(c, first)
            target = new.load(column, some)
            apart = builder.fsub(target, state.load(place, some))
            zero = ir.Constant(apart.type, [0.0] * width)
            size = builder.select(builder.fcmp_ordered("<", apart, zero), builder.fsub(zero, apart), apart)
            gap = builder.fmul(size, change.spread(factor))
            # Not a choice of two: that becomes a store under a mask, which costs AMD's cores 20 cycles.
            most = llvm(builder, f"maximum.{type_name(gap.type)}", gap.type, [gap, change.load(column, some)])
            change.store(most, column, some)
            with builder.if_then(write):
                state.store(target, place, some)

        in_pieces(builder, count, lanes_of(signature.args[0]), piece)
        return context.get_dummy_value()

    return signature, generate
