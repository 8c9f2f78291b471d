"""Compiled loops of the stencil: rows of units along the fastest axis, one vector of units at a time.

Plain numba loops keep their sums in memory; here they stay in vector registers, which is worth a
factor of two to four. A vector is the machine's: one twice as long would be split, and its sums would not
fit the registers, which costs a factor of two (measured with AVX2). Imported only where
a lattice is large enough: 0.4 s for numba, and 5 s to compile once for each dtype, then kept on disk.
"""

from functools import partial
from typing import Any

from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

WIDE = get_host_cpu_features().get("avx512f", False)
VECTOR_BYTES = 64 if WIDE else 32
SAMPLES = 4
"""Samples that share a load of the weights in the product; fewer are done one by one."""
PAIRED = 4 if WIDE else 2
"""Samples in one pass of the contrast: three shifts of two states each are 24 of 32 registers, 12 of 16."""
BLOCK = 2048
"""Units in one block: the weights of a block stay in the second cache for all samples."""


class _Vectors:
    """Loads and stores of vectors in the flat memory of a contiguous array."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any) -> None:
        array = context.make_array(kind)(context, builder, value=value)
        self._builder, self.data = builder, array.data
        self.shape = [builder.extract_value(array.shape, axis) for axis in range(kind.ndim)]
        self.size = kind.dtype.bitwidth // 8
        self.type = ir.VectorType(context.get_value_type(kind.dtype), VECTOR_BYTES // self.size)

    def at(self, index: Any) -> Any:
        return self._builder.gep(self.data, [index])

    def number(self, index: Any) -> Any:
        return self._builder.load(self.at(index))

    def load(self, start: Any, index: Any) -> Any:
        value = self._builder.load(self._pointer(start, index))
        value.align = self.size
        return value

    def store(self, value: Any, start: Any, index: Any) -> None:
        self._builder.store(value, self._pointer(start, index)).align = self.size

    def _pointer(self, start: Any, index: Any) -> Any:
        return self._builder.bitcast(self._builder.gep(start, [index]), self.type.as_pointer())

    def spread(self, number: Any) -> Any:
        """A vector of one number."""
        undefined, zero = ir.Constant(self.type, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        first = self._builder.insert_element(undefined, number, zero)
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.type.count), [0] * self.type.count)
        return self._builder.shuffle_vector(first, undefined, mask)


def _multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))


def _product_of(samples: int) -> Any:
    """One vector of units j of the product; the units before it are complete and written.

    For every row r and k = 0, 1, 2, state s[b, j + row_r] is due to the units i = j + 1 - k. So three
    sums are kept, and added one unit apart: `carry` holds, of each sample, the last vector's sum 0, the
    sum so far of what it is due, and its sum 2. Weights are read from w[at].
    """

    @intrinsic  # type: ignore[untyped-decorator]  # numba has no types
    def product(
        typing: Any,
        out: Any,
        base: Any,
        step: Any,
        s: Any,
        w: Any,
        rows: Any,
        where: Any,
        gain: Any,
        carry: Any,
        b: Any,
        j: Any,
        at: Any,
        write: Any,
    ) -> Any:
        kinds = (out, base, step, s, w, rows, where, gain, carry, b, j, at, write)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            arrays = [0, 1, 3, 4, 5, 6, 7, 8]
            out, base, s, w, rows, where, gain, carry = (
                _Vectors(context, builder, signature.args[k], args[k]) for k in arrays
            )
            step, b, j, at, write = args[2], args[9], args[10], args[11], args[12]
            number = partial(ir.Constant, b.type)
            samples_of = [builder.add(b, number(m)) for m in range(samples)]
            starts = [builder.add(builder.mul(row, s.shape[1]), j) for row in samples_of]
            pointers = [s.at(start) for start in starts]
            zeros = ir.Constant(s.type, [0.0] * s.type.count)
            sums = [[cgutils.alloca_once_value(builder, zeros) for _ in range(3)] for _ in range(samples)]
            weights = w.at(at)
            with cgutils.for_range(builder, rows.shape[0]) as loop:
                row, entry = rows.number(loop.index), builder.mul(loop.index, number(3))
                by = []
                for k in range(3):
                    index = builder.add(entry, number(k))
                    weight = w.load(weights, where.number(index))
                    by.append(builder.fmul(weight, w.spread(gain.number(index))))
                for pointer, three in zip(pointers, sums, strict=True):
                    seen = s.load(pointer, row)
                    for weight, total in zip(by, three, strict=True):
                        builder.store(_multiply_add(builder, weight, seen, builder.load(total)), total)
            last = s.type.count - 1
            later = [last, *range(s.type.count, s.type.count + last)]
            sooner = [*range(1, s.type.count), s.type.count]
            lines = [[carry.at(number((3 * m + k) * s.type.count)) for k in range(3)] for m in range(samples)]
            totals = [[builder.load(total) for total in three] for three in sums]
            with builder.if_then(write):
                for start, line, three in zip(starts, lines, totals, strict=True):
                    after = _joined(builder, carry.load(line[2], number(0)), three[2], sooner)
                    due = builder.fadd(carry.load(line[1], number(0)), after)
                    out.store(due, out.at(start), number(-s.type.count))
            for row, line, three in zip(samples_of, lines, totals, strict=True):
                begin = builder.add(builder.mul(builder.mul(row, step), base.shape[1]), j)
                before = _joined(builder, carry.load(line[0], number(0)), three[0], later)
                due = builder.fadd(builder.fadd(three[1], before), base.load(base.at(begin), number(0)))
                for place, value in zip(line, (three[0], due, three[2]), strict=True):
                    carry.store(value, place, number(0))
            return context.get_dummy_value()

        return types.void(*kinds), generate

    return product


def _joined(builder: Any, first: Any, second: Any, lanes: list[int]) -> Any:
    """The lanes of two vectors, those of the second counted on from the first."""
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
    return builder.shuffle_vector(first, second, mask)


def _contrast_of(samples: int) -> Any:
    """For every row r and k = 0, 1, 2, summed over samples b and added to pairs[3 r + k, at + lane]:

    mean[b, j + 1 - k] slope[b, j + r] + slope[b, j + 1 - k] mean[b, j + r], with j + lane for j.
    """

    @intrinsic  # type: ignore[untyped-decorator]  # numba has no types
    def contrast(typing: Any, pairs: Any, mean: Any, slope: Any, rows: Any, b: Any, j: Any, at: Any) -> Any:
        signature = types.void(pairs, mean, slope, rows, b, j, at)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pairs, mean, slope, rows = (
                _Vectors(context, builder, signature.args[k], args[k]) for k in range(4)
            )
            b, j, at = args[4:]
            number = b.type
            # One pointer a sample: slope is reached from mean, so that all pointers fit registers.
            apart = builder.sub(builder.ptrtoint(slope.data, number), builder.ptrtoint(mean.data, number))
            apart = builder.sdiv(apart, ir.Constant(number, mean.size))
            pointers = []
            for m in range(samples):
                row = builder.mul(builder.add(b, ir.Constant(number, m)), mean.shape[1])
                pointers.append(mean.at(builder.add(row, j)))
            shifts = [ir.Constant(number, 1 - k) for k in range(3)]
            own_mean = [[mean.load(p, x) for x in shifts] for p in pointers]
            own_slope = [[mean.load(p, builder.add(apart, x)) for x in shifts] for p in pointers]
            start = pairs.at(at)
            with cgutils.for_range(builder, rows.shape[0]) as loop:
                row = rows.number(loop.index)
                first = builder.mul(builder.mul(loop.index, ir.Constant(number, 3)), pairs.shape[1])
                lines = [
                    builder.add(first, builder.mul(pairs.shape[1], ir.Constant(number, k))) for k in range(3)
                ]
                sums = [pairs.load(start, line) for line in lines]
                for m, pointer in enumerate(pointers):
                    there = mean.load(pointer, row), mean.load(pointer, builder.add(row, apart))
                    for k in range(3):
                        sums[k] = _multiply_add(builder, own_mean[m][k], there[1], sums[k])
                        sums[k] = _multiply_add(builder, own_slope[m][k], there[0], sums[k])
                for line, total in zip(lines, sums, strict=True):
                    pairs.store(total, start, line)
            return context.get_dummy_value()

        return signature, generate

    return contrast


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def turn(typing: Any, turned: Any, pairs: Any, line: Any, ahead: Any, factor: Any, d: Any, at: Any) -> Any:
    """turned[lane, d + k] = factor pairs[line[d + k], at + ahead[d + k] + lane]."""
    signature = types.void(turned, pairs, line, ahead, factor, d, at)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        turned, pairs, line, ahead = (
            _Vectors(context, builder, signature.args[k], args[k]) for k in range(4)
        )
        factor, d, at = args[4:]
        count, number = pairs.type.count, d.type
        scale = pairs.spread(factor)
        rows = []
        for k in range(count):
            index = builder.add(d, ir.Constant(number, k))
            begin = builder.add(builder.mul(line.number(index), pairs.shape[1]), at)
            rows.append(builder.fmul(pairs.load(pairs.at(begin), ahead.number(index)), scale))
        rows = _transposed(builder, rows, count)
        for k, row in enumerate(rows):
            start = builder.add(builder.mul(ir.Constant(number, k), turned.shape[1]), d)
            turned.store(row, turned.at(start), ir.Constant(number, 0))
        return context.get_dummy_value()

    return signature, generate


def _transposed(builder: Any, rows: list[Any], count: int) -> list[Any]:
    """Interleaving the first half with the second, log2(count) times, is the transpose."""
    masks = []
    for begin in (0, count // 2):
        places = [begin + k // 2 + (count if k % 2 else 0) for k in range(count)]
        masks.append(ir.Constant(ir.VectorType(ir.IntType(32), count), places))
    for _ in range(count.bit_length() - 1):
        halves = zip(rows[: count // 2], rows[count // 2 :], strict=True)
        rows = [builder.shuffle_vector(a, b, mask) for a, b in halves for mask in masks]
    return rows


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def put(typing: Any, edges: Any, e: Any, turned: Any, lane: Any, d: Any) -> Any:
    """edges[e : e + lanes] = turned[lane, d : d + lanes]."""
    signature = types.void(edges, e, turned, lane, d)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        edges, turned = (_Vectors(context, builder, signature.args[k], args[k]) for k in (0, 2))
        e, lane, d = args[1], args[3], args[4]
        zero = ir.Constant(e.type, 0)
        start = builder.add(builder.mul(lane, turned.shape[1]), d)
        edges.store(turned.load(turned.at(start), zero), edges.at(e), zero)
        return context.get_dummy_value()

    return signature, generate


product_many, product_one = _product_of(SAMPLES), _product_of(1)
contrast_many, contrast_one = _contrast_of(PAIRED), _contrast_of(1)
