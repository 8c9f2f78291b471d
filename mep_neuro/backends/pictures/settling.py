"""The residual over the steps: whether, and how fast, the samples came to rest."""

import numpy as np
from matplotlib.figure import Figure

from mep_neuro.backends.pictures.style import SERIES, SOFT, styled
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.recording import Recording


def plot_settling(recording: Recording) -> Figure:
    """Largest |s - rho(current)| at each step: the median sample, and the range of all.

    Raises:
        UnsupportedError: The back end measured no residual.
    """
    curve = recording.residual_curve
    if curve is None or not np.isfinite(curve).any():
        raise UnsupportedError(
            f"recording of {recording.backend}: it measured no residual; look at `settled` and `steps`"
        )
    shown = np.where(np.isfinite(curve), curve, np.nan)
    steps = np.flatnonzero(np.isfinite(shown).any(axis=1))
    low, middle, high = np.nanquantile(np.maximum(shown[steps], 1e-17), [0.0, 0.5, 1.0], axis=1)
    with styled():
        figure = Figure(figsize=(7.0, 3.4))
        axes = figure.subplots()
        axes.fill_between(
            steps + 1, low, high, color=SERIES[0], alpha=0.2, lw=0, label=f"all {curve.shape[1]} samples"
        )
        axes.plot(steps + 1, middle, color=SERIES[0], lw=1.8, label="median sample")
        axes.axvline(
            float(np.median(recording.steps)), color=SOFT, lw=1, ls=(0, (4, 3)), label="half have settled"
        )
        axes.set(yscale="log", xlabel="step", ylabel=r"largest |s - $\rho$(current)|")
        axes.set_title(f"settling on {recording.backend}")
        axes.legend()
        axes.grid()
    return figure
