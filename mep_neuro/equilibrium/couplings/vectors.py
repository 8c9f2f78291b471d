"""Vectors of numbers in compiled loops over units-first memory, where a unit's samples lie side by side.

Plain numba loops keep their sums in memory; here they stay in vector registers, which is worth a factor of
two to four. A vector is the machine's: one twice as long would be split, and its sums would not fit the
registers. Imported only where a network has a lattice: 0.4 s for numba, and seconds to compile once
for each dtype, then kept on disk.
"""

from typing import Any

from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

VECTOR_BYTES = 64 if get_host_cpu_features().get("avx512f", False) else 32
ABREAST = 4
"""Vectors that share one load of a weight: with the weight and a state they fit the 16 registers of AVX2."""


class _Flat:
    """Vectors in the memory of a flat array."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any, lanes: int = 0) -> None:
        self._builder = builder
        self._data = context.make_array(kind)(context, builder, value=value).data
        self._align = kind.dtype.bitwidth // 8
        self.number_type = context.get_value_type(kind.dtype)
        self.type = ir.VectorType(self.number_type, lanes or VECTOR_BYTES // self._align)

    def number(self, index: Any) -> Any:
        return self._builder.load(self._builder.gep(self._data, [index]))

    def load(self, index: Any) -> Any:
        value = self._builder.load(self._pointer(index))
        value.align = self._align
        return value

    def store(self, value: Any, index: Any) -> None:
        self._builder.store(value, self._pointer(index)).align = self._align

    def _pointer(self, index: Any) -> Any:
        return self._builder.bitcast(self._builder.gep(self._data, [index]), self.type.as_pointer())

    def spread(self, number: Any) -> Any:
        """A vector of one number."""
        undefined = ir.Constant(self.type, ir.Undefined)
        first = self._builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
        return self._builder.shuffle_vector(first, undefined, _lanes([0] * self.type.count))


def _lanes(places: list[int]) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places)


def _multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))


def _gather_of(vectors: int, lanes: int = 0) -> Any:
    """into[to + i] = base[at + i] + sum of value[e] seen[column[e] width + first + i].

    For `count` places e from begin, step by step, and i below vectors * lanes.
    """

    @intrinsic  # type: ignore[untyped-decorator]  # numba has no types
    def gather(
        typing: Any,
        into: Any,
        to: Any,
        base: Any,
        at: Any,
        seen: Any,
        first: Any,
        width: Any,
        column: Any,
        value: Any,
        begin: Any,
        count: Any,
        step: Any,
    ) -> Any:
        signature = types.void(into, to, base, at, seen, first, width, column, value, begin, count, step)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            into, base, seen, column, value = (
                _Flat(context, builder, signature.args[k], args[k], lanes) for k in (0, 2, 4, 7, 8)
            )
            to, at, first, width, begin, count, step = (args[k] for k in (1, 3, 5, 6, 9, 10, 11))
            places = [ir.Constant(to.type, k * seen.type.count) for k in range(vectors)]
            sums = [cgutils.alloca_once_value(builder, base.load(builder.add(at, place))) for place in places]
            with cgutils.for_range(builder, count) as loop:
                e = builder.add(begin, builder.mul(loop.index, step))
                start = builder.add(builder.mul(builder.sext(column.number(e), to.type), width), first)
                weight = seen.spread(value.number(e))
                for place, total in zip(places, sums, strict=True):
                    state = seen.load(builder.add(start, place))
                    builder.store(_multiply_add(builder, weight, state, builder.load(total)), total)
            for place, total in zip(places, sums, strict=True):
                into.store(builder.load(total), builder.add(to, place))
            return context.get_dummy_value()

        return signature, generate

    return gather


def _pairs_of(vectors: int, lanes: int = 0) -> Any:
    """Added for each e from begin to end, with j = column[e], to a vector of its own, sums[e - begin]:

    mean[u] slope[j] + slope[u] mean[j], over the samples from `first`. Rows of mean and slope lie
    `mean_width` and `slope_width` numbers apart.
    """

    @intrinsic  # type: ignore[untyped-decorator]  # numba has no types
    def pairs(
        typing: Any,
        sums: Any,
        mean: Any,
        mean_width: Any,
        slope: Any,
        slope_width: Any,
        unit: Any,
        first: Any,
        column: Any,
        begin: Any,
        end: Any,
    ) -> Any:
        signature = types.void(sums, mean, mean_width, slope, slope_width, unit, first, column, begin, end)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            sums, mean, slope, column = (
                _Flat(context, builder, signature.args[k], args[k], lanes) for k in (0, 1, 3, 7)
            )
            widths, unit, first, begin, end = (args[2], args[4]), args[5], args[6], args[8], args[9]
            steps = [ir.Constant(unit.type, k * mean.type.count) for k in range(vectors)]
            stride = ir.Constant(unit.type, _Flat(context, builder, signature.args[0], args[0]).type.count)

            def starts(row: Any) -> list[Any]:
                return [builder.add(builder.mul(row, width), first) for width in widths]

            def both(row: Any) -> list[list[Any]]:
                return [
                    [array.load(builder.add(start, step)) for step in steps]
                    for array, start in zip((mean, slope), starts(row), strict=True)
                ]

            own_mean, own_slope = both(unit)
            with cgutils.for_range_slice(builder, begin, end, ir.Constant(unit.type, 1)) as (e, _):
                at = builder.mul(builder.sub(e, begin), stride)
                other_mean, other_slope = both(builder.sext(column.number(e), unit.type))
                forth = sums.load(at)
                back = builder.fmul(own_slope[0], other_mean[0])
                for k in range(vectors):
                    forth = _multiply_add(builder, own_mean[k], other_slope[k], forth)
                    if k:
                        back = _multiply_add(builder, own_slope[k], other_mean[k], back)
                sums.store(builder.fadd(forth, back), at)
            return context.get_dummy_value()

        return signature, generate

    return pairs


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def add_up(typing: Any, into: Any, at: Any, sums: Any, first: Any, factor: Any) -> Any:
    """into[at + i] = factor times the sum over the lanes of sums[first + i], for i below a vector's lanes."""
    signature = types.void(into, at, sums, first, factor)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        into, sums = (_Flat(context, builder, signature.args[k], args[k]) for k in (0, 2))
        at, first, factor = args[1], args[3], args[4]
        lanes = sums.type.count
        start = builder.mul(first, ir.Constant(at.type, lanes))
        rows = [sums.load(builder.add(start, ir.Constant(at.type, k * lanes))) for k in range(lanes)]
        apart = 1
        while apart < lanes:  # after each turn, lanes that differ by `apart` belong to two rows
            rows = [_folded(builder, rows[k], rows[k + 1], apart) for k in range(0, len(rows), 2)]
            apart *= 2
        into.store(builder.fmul(rows[0], into.spread(factor)), at)
        return context.get_dummy_value()

    return signature, generate


def _folded(builder: Any, one: Any, two: Any, apart: int) -> Any:
    """Sums of lanes `apart` from each other: of one where the lane's bit is 0, of two where it is 1."""
    lanes = one.type.count
    low = [i if not i & apart else i - apart + lanes for i in range(lanes)]
    high = [place + apart for place in low]
    return builder.fadd(
        builder.shuffle_vector(one, two, _lanes(low)), builder.shuffle_vector(one, two, _lanes(high))
    )


def _take_of(lanes: int = 0) -> Any:
    """Raise change[c + i] to factor |new[c + i] - state[at + i]|, and put new there if `write`.

    For i below lanes. What is no number stays so. LLVM makes vectors of such a loop too, but asks each
    time whether the arrays overlap: for a row of some samples that takes longer than the loop.
    """

    @intrinsic  # type: ignore[untyped-decorator]  # numba has no types
    def take(typing: Any, state: Any, at: Any, new: Any, change: Any, c: Any, factor: Any, write: Any) -> Any:
        signature = types.void(state, at, new, change, c, factor, write)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            state, new, change = (
                _Flat(context, builder, signature.args[k], args[k], lanes) for k in (0, 2, 3)
            )
            at, c, factor, write = args[1], args[4], args[5], args[6]
            target, most = new.load(c), change.load(c)
            apart = builder.fsub(target, state.load(at))
            zero = ir.Constant(apart.type, [0.0] * apart.type.count)
            size = builder.select(builder.fcmp_ordered("<", apart, zero), builder.fsub(zero, apart), apart)
            # Not a choice of two: that becomes a store under a mask, which costs AMD's cores 20 cycles.
            name = f"llvm.maximum.v{size.type.count}f{64 if size.type.element == ir.DoubleType() else 32}"
            kind = ir.FunctionType(size.type, [size.type, size.type])
            maximum = cgutils.get_or_insert_function(builder.module, kind, name)
            gap = builder.fmul(size, change.spread(factor))
            change.store(builder.call(maximum, [gap, most]), c)
            with builder.if_then(write):
                state.store(target, at)
            return context.get_dummy_value()

        return signature, generate

    return take


gather_abreast, gather_vector, gather_number = _gather_of(ABREAST), _gather_of(1), _gather_of(1, lanes=1)
pairs_abreast, pairs_vector, pairs_number = _pairs_of(ABREAST), _pairs_of(1), _pairs_of(1, lanes=1)
take_vector, take_number = _take_of(), _take_of(lanes=1)
