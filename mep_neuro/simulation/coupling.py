"""The coupled map: all projections between settling units as one matrix, balanced by the energy weights.

It is symmetric where an energy belongs to the network. With random or antisymmetric feedback it is
not; its largest singular value below 1 still makes the settling a contraction (the slope of rho is
at most 1), and nothing is known of it above 1.

Sources: energies and k from shared design (Xie and Seung 2003 for the feedback gain);
stability, lambda < 1 gives a unique fixed point.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.linalg import eigsh, svds

from mep_neuro.simulation.network import Network, Projection

DENSE_UNITS = 400  # below, all eigenvalues at once are faster than Lanczos


def balanced_map(projections: Mapping[str, Projection], offsets: Mapping[str, int], size: int) -> csr_matrix:
    """A with A[post, pre] = sqrt(|g|) w over the units of `offsets`, and on the way back the same.

    With weights b of its own the feedback is A[pre, post] = sqrt(|g|) b; it has the sign of g.

    Args:
        projections: Those whose two ends are both in `offsets`; others are left out.
        offsets: First row of each settling population.
        size: Number of rows.
    """
    rows, columns, values = [], [], []
    for projection in projections.values():
        if projection.pre in offsets and projection.post in offsets:
            synapses = projection.synapses
            pre, post = synapses.pre + offsets[projection.pre], synapses.post + offsets[projection.post]
            root = np.sqrt(np.abs(synapses.gain))
            tied = projection.feedback_weight is None
            forth = root * projection.forward_weights
            back = np.sign(synapses.gain) * forth if tied else projection.feedback_weights / root
            rows += [post, pre]
            columns += [pre, post]
            values += [forth, back]
    if not rows:
        return csr_matrix((size, size))
    places = (np.concatenate(rows), np.concatenate(columns))
    return coo_matrix((np.concatenate(values), places), shape=(size, size)).tocsr()


def coupled_map(network: Network) -> csr_matrix:
    """The balanced map of a network's settling populations, in their order."""
    sizes = [p.size for p in network.dynamic]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    offsets = {p.name: int(start) for p, start in zip(network.dynamic, starts[:-1], strict=True)}
    return balanced_map(network.projections, offsets, int(starts[-1]))


def spectral_radius(matrix: csr_matrix) -> float:
    """Largest |eigenvalue| of a symmetric matrix, or singular value of another, to 1e-10 relative."""
    size = matrix.shape[0]
    if matrix.nnz == 0:
        return 0.0
    if size <= DENSE_UNITS:
        return float(np.linalg.norm(matrix.toarray(), 2))
    start = np.random.default_rng(0).standard_normal(size)
    if abs(matrix - matrix.T).max() > 1e-12 * abs(matrix).max():
        return float(svds(matrix, k=1, v0=start, return_singular_vectors=False, random_state=0)[0])
    value: NDArray[np.float64] = eigsh(
        matrix, k=1, which="LM", v0=start, tol=1e-10, return_eigenvectors=False
    )
    return float(abs(value[0]))
