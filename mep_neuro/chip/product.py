"""Weights times messages: exact integers at the speed of floating-point products."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from mep_neuro.chip.ranges import row_sums

Int32 = NDArray[np.int32]

EXACT_FLOAT32 = 1 << 24  # integers up to here are exact in float32, whatever the order of the sum
DENSE_FILL = 0.05  # share of stored weights above which the dense product is the faster one


def exact_product(weight: csr_matrix) -> Callable[[Int32], Int32]:
    """The map from messages (samples, size) to weighted sums (samples, size), a new int32 array.

    It is exact modulo 2^32. Sums below 2^53 are exact in float64: weights of 9 bits and messages
    of 25 leave room for 2^19 of them a row.

    Args:
        weight: Integers, rows post, columns pre.
    """
    if weight.nnz < DENSE_FILL * weight.shape[0] ** 2:
        return lambda m: np.ascontiguousarray((weight @ m.T).T, dtype=np.int32)
    columns_first = np.ascontiguousarray(weight.toarray().T, dtype=np.float32)
    largest_sum = int(row_sums(weight).max(initial=0))
    return lambda m: _dense(columns_first, largest_sum, m)


def _dense(weight: NDArray[np.float32], largest_sum: int, m: Int32) -> Int32:
    """The product restricted to the samples and units that send."""
    sums = np.zeros_like(m)
    rows, columns = np.flatnonzero(m.any(axis=1)), np.flatnonzero(m.any(axis=0))
    if rows.size == 0:
        return sums
    if rows.size == m.shape[0] and 2 * columns.size > m.shape[1]:
        return _multiply(m, weight, largest_sum)  # picking them out would cost more than it saves
    sums[rows] = _multiply(m[np.ix_(rows, columns)], weight[columns], largest_sum)
    return sums


def _multiply(m: Int32, weight: NDArray[np.float32], largest_sum: int) -> Int32:
    exact = largest_sum * max(int(m.max()), -int(m.min())) < EXACT_FLOAT32
    width = np.float32 if exact else np.float64
    found = m.astype(width) @ weight.astype(width, copy=False)
    # By way of int64: sums beyond 2^31 wrap, as in the sparse product.
    wrapped: Int32 = found.astype(np.int64).astype(np.int32)
    return wrapped
