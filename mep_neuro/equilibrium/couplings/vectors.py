"""Vectors of numbers in compiled loops over units-first memory, where a unit's samples lie side by side.

Plain numba loops keep their sums in memory; here they stay in vector registers, which is worth a factor of
two to four. A vector is the machine's: one twice as long would be split, and its sums would not fit the
registers. Imported only where a network has a lattice: 0.4 s for numba, and seconds to compile once
for each dtype, then kept on disk.
"""

from typing import Any

from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba.core import cgutils

VECTOR_BYTES = 64 if get_host_cpu_features().get("avx512f", False) else 32
ABREAST = 4
"""Vectors that share one load of a weight: with the weight and a state they fit the 16 registers of AVX2."""

LINE_BYTES = 64


class Flat:
    """Vectors in the memory of a flat array."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any, lanes: int = 0) -> None:
        """Take an array's compiled value, of this type of numba's; vectors have `lanes` or the machine's."""
        self._builder = builder
        self._data = context.make_array(kind)(context, builder, value=value).data
        self._align = kind.dtype.bitwidth // 8
        self.number_type = context.get_value_type(kind.dtype)
        self.type = ir.VectorType(self.number_type, lanes or lanes_of(kind))

    def number(self, index: Any) -> Any:
        """One number."""
        return self._builder.load(self._builder.gep(self._data, [index]))

    def load(self, index: Any, some: Any = None) -> Any:
        """A vector from there; where `some` is a number, so many of its lanes, and zeros."""
        if some is None:
            value = self._builder.load(self._pointer(index))
            value.align = self._align
            return value
        zeros = ir.Constant(self.type, [0.0] * self.type.count)
        args = [self._pointer(index), *self._align_and_mask(some), zeros]
        return llvm(self._builder, f"masked.load.{type_name(self.type)}.p0", self.type, args)

    def store(self, value: Any, index: Any, some: Any = None) -> None:
        """The vector goes there; where `some` is a number, so many of its lanes."""
        if some is None:
            self._builder.store(value, self._pointer(index)).align = self._align
            return
        args = [value, self._pointer(index), *self._align_and_mask(some)]
        llvm(self._builder, f"masked.store.{type_name(self.type)}.p0", ir.VoidType(), args)

    def _align_and_mask(self, some: Any) -> list[Any]:
        places = ir.Constant(ir.VectorType(some.type, self.type.count), list(range(self.type.count)))
        number = ir.IntType(32)
        return [number(self._align), self._builder.icmp_signed("<", places, self.spread(some))]

    def fetch(self, index: Any) -> None:
        """Ask for the lines of memory that hold a vector, which may lie outside."""
        to_read, nearest, data = (ir.IntType(32)(option) for option in (0, 3, 1))
        for k in range(0, self.type.count, LINE_BYTES // self._align):
            at = self._builder.gep(self._data, [self._builder.add(index, index.type(k))])
            llvm(self._builder, "prefetch.p0", ir.VoidType(), [at, to_read, nearest, data])

    def _pointer(self, index: Any) -> Any:
        return self._builder.bitcast(self._builder.gep(self._data, [index]), self.type.as_pointer())

    def spread(self, number: Any) -> Any:
        """A vector of one number."""
        undefined = ir.Constant(ir.VectorType(number.type, self.type.count), ir.Undefined)
        first = self._builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
        return self._builder.shuffle_vector(first, undefined, _lanes([0] * self.type.count))


def lanes_of(kind: Any) -> int:
    """Numbers of an array in a vector of the machine."""
    return VECTOR_BYTES * 8 // int(kind.dtype.bitwidth)


def _lanes(places: list[int]) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places)


def type_name(kind: Any) -> str:
    """Of a type of vectors, in the names of LLVM's functions."""
    return f"v{kind.count}f{64 if kind.element == ir.DoubleType() else 32}"


def llvm(builder: Any, name: str, result: Any, args: list[Any]) -> Any:
    """Call a function of LLVM's own."""
    kind = ir.FunctionType(result, [arg.type for arg in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}"), args)


def multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """A b + c, rounded once."""
    return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))


def in_pieces(builder: Any, count: Any, lanes: int, work: Any) -> None:
    """work(first, width, some) over so many numbers: ABREAST vectors at once, then two, then one.

    In the end, what fills no vector: a single number, or `some` numbers of a vector, which is None before.
    """
    begin, width = count.type(0), ABREAST * lanes
    while width >= lanes:
        end = builder.and_(count, count.type(-width))
        with cgutils.for_range_slice(builder, begin, end, count.type(width)) as (first, _):
            work(first, width, None)
        begin, width = end, width // 2
    rest = builder.sub(count, begin)
    with builder.if_then(builder.icmp_signed("==", rest, rest.type(1))):
        work(begin, 1, None)  # a vector of it would be waited for where it is read again
    with builder.if_then(builder.icmp_signed(">", rest, rest.type(1))):
        work(begin, lanes, rest)


def parts(builder: Any, one: Any, lanes: int) -> list[Any]:
    """The vector cut into shorter ones."""
    places = [list(range(k, k + lanes)) for k in range(0, one.type.count, lanes)]
    return [builder.shuffle_vector(one, one, _lanes(some)) for some in places]


def folded(builder: Any, one: Any, two: Any, apart: int) -> Any:
    """Sums of lanes `apart` from each other: of one where the lane's bit is 0, of two where it is 1."""
    lanes = one.type.count
    low = [i if not i & apart else i - apart + lanes for i in range(lanes)]
    high = [place + apart for place in low]
    return builder.fadd(
        builder.shuffle_vector(one, two, _lanes(low)), builder.shuffle_vector(one, two, _lanes(high))
    )
