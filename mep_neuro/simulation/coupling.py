"""The coupled map: all projections between settling units as one symmetric matrix.

Sources: energies and k from shared design (Xie and Seung 2003 for the feedback gain);
stability, lambda < 1 gives a unique fixed point.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.linalg import eigsh

from mep_neuro.simulation.network import Network, Projection

DENSE_UNITS = 400  # below, all eigenvalues at once are faster than Lanczos


def symmetric_map(projections: Mapping[str, Projection], offsets: Mapping[str, int], size: int) -> csr_matrix:
    """A with A[post, pre] = A[pre, post] = sqrt(g) w, over the units of `offsets`.

    Args:
        projections: Those whose two ends are both in `offsets`; others are left out.
        offsets: First row of each settling population.
        size: Number of rows.
    """
    rows, columns, values = [], [], []
    for projection in projections.values():
        if projection.pre in offsets and projection.post in offsets:
            synapses = projection.synapses
            rows.append(synapses.post + offsets[projection.post])
            columns.append(synapses.pre + offsets[projection.pre])
            values.append(np.sqrt(synapses.gain) * projection.weight.ravel()[synapses.slot])
    if not rows:
        return csr_matrix((size, size))
    half = coo_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(size, size)
    ).tocsr()
    return half + half.T


def coupled_map(network: Network) -> csr_matrix:
    """The symmetric map of a network's settling populations, in their order."""
    sizes = [p.size for p in network.dynamic]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    offsets = {p.name: int(start) for p, start in zip(network.dynamic, starts[:-1], strict=True)}
    return symmetric_map(network.projections, offsets, int(starts[-1]))


def spectral_radius(matrix: csr_matrix) -> float:
    """Largest |eigenvalue| of a symmetric matrix, to 1e-10 relative."""
    size = matrix.shape[0]
    if matrix.nnz == 0:
        return 0.0
    if size <= DENSE_UNITS:
        return float(np.abs(np.linalg.eigvalsh(matrix.toarray())).max())
    start = np.random.default_rng(0).standard_normal(size)
    value: NDArray[np.float64] = eigsh(
        matrix, k=1, which="LM", v0=start, tol=1e-10, return_eigenvectors=False
    )
    return float(abs(value[0]))
