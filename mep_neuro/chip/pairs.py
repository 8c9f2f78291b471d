"""Two neurons for one unit."""

import numpy as np
from scipy.sparse import csr_matrix, kron


def in_pairs(matrix: csr_matrix, inputs: int, *, second_sign: float = 1.0) -> csr_matrix:
    """Weights between units as weights between pairs of neurons.

    Both neurons of a unit get what the unit gets; the second one speaks with `second_sign`. The first
    `inputs` units stay single neurons. The second neurons follow all the first ones, in their order.

    Args:
        matrix: Rows post, columns pre, shape (units, units).
        inputs: Number of units, from the first, that stay single.
        second_sign: Factor of what second neurons send.
    """
    units = matrix.shape[0]
    pairs = csr_matrix(kron([[1.0, second_sign], [1.0, second_sign]], matrix))
    kept = np.r_[0:units, units + inputs : 2 * units]
    return csr_matrix(pairs[kept][:, kept])
