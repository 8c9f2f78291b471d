"""The weights of a projection as a matrix."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mep_neuro.backends.pictures.style import SIGNED_MAP, SOFT, styled
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.network import Network, Projection

MOST_PLACES = 4_000_000


def plot_weights(network: Network, projection: str) -> Figure:
    """Weights by post and pre unit, grey where there is no synapse; kernels of a convolution one a row.

    Args:
        network: The network.
        projection: Name of the projection.

    Raises:
        UnsupportedError: No such projection, or more places than a picture shows.
    """
    if projection not in network.projections:
        known = ", ".join(network.projections)
        raise UnsupportedError(f"projection '{projection}': unknown; write one of {known}")
    q = network.projections[projection]
    matrix, vertical, horizontal = _matrix(network, q)
    known = matrix[np.isfinite(matrix)]
    limit = float(np.abs(known).max(initial=0.0)) or 1.0
    height = float(np.clip(6.6 * matrix.shape[0] / matrix.shape[1], 1.6, 6.0))
    with styled():
        figure = Figure(figsize=(7.4, height + 0.9))
        image_axes, bars = figure.subplots(1, 2, width_ratios=(4, 1))
        image_axes.set_facecolor("#dcdcdc")
        image = image_axes.imshow(
            matrix, cmap=SIGNED_MAP, vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest"
        )
        image_axes.set(xlabel=horizontal, ylabel=vertical)
        image_axes.set_title(f"{q.name}: {q.kind}, {q.pre} to {q.post}")
        figure.colorbar(image, ax=image_axes, label="weight w (dimensionless)", pad=0.02)
        bars.hist(known, bins=40, range=(-limit, limit), orientation="horizontal", color=SOFT)
        bars.set(xlabel="synapses" if q.kind != "conv2d" else "weights", ylim=(-limit, limit))
        bars.set_title("how many")
        bars.tick_params(labelleft=False)
    return figure


def _matrix(network: Network, q: Projection) -> tuple[NDArray[np.float64], str, str]:
    if q.kind in ("conv2d", "attention", "pointwise"):
        rows = "kernel (output channel)" if q.kind == "conv2d" else "row of the weight"
        columns = "input channel and place in the kernel" if q.kind == "conv2d" else "column of the weight"
        return q.weight.reshape(q.weight.shape[0], -1), rows, columns
    post, pre = network.populations[q.post].size, network.populations[q.pre].size
    if post * pre > MOST_PLACES:
        raise UnsupportedError(
            f"projection '{q.name}': {post} by {pre} places exceed the {MOST_PLACES} of a picture; look at "
            "network.projections[...].weight"
        )
    matrix = np.full((post, pre), np.nan)
    matrix[q.synapses.post, q.synapses.pre] = q.forward_weights
    if q.pre == q.post:  # a lattice holds each pair once, and carries it both ways
        matrix[q.synapses.pre, q.synapses.post] = q.feedback_weights
    return matrix, f"unit of {q.post}", f"unit of {q.pre}"
