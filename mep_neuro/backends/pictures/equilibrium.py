"""Where a back end came to rest against the rate fixed point, unit by unit."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mep_neuro.backends.pictures.style import INK, SOFT, colours, settling, styled
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.recording import Recording

_DECADES = 6  # below the largest difference that are shown


def plot_equilibrium(recording: Recording, reference: Recording, network: Network) -> Figure:
    """Rates of a back end over those of the reference, and how large their differences are.

    Args:
        recording: What is judged.
        reference: The fixed point of the rates, of the same samples.
        network: The network.

    Raises:
        UnsupportedError: The two are not of the same samples.
    """
    names = [n for n in settling(network) if n in recording.rates and n in reference.rates]
    for name in names:
        shape, other = recording.rates[name].shape, reference.rates[name].shape
        if shape != other:
            raise UnsupportedError(
                f"population '{name}': rates of {recording.backend} have shape {shape}, of "
                f"{reference.backend} {other}; run both on the same samples"
            )
    with styled():
        figure = Figure(figsize=(8.4, 3.9))
        left, right = figure.subplots(1, 2)
        for name in reversed(names):  # a small output is not hidden by a large layer
            ours, theirs = recording.rates[name].ravel(), reference.rates[name].ravel()
            # Some thousand points show the relation; more only make the file large.
            some = np.linspace(0, ours.size - 1, min(ours.size, 6000)).astype(int)
            left.plot(
                theirs[some], ours[some], ".", ms=3.5, alpha=0.45, color=colours(names)[name], label=name
            )
        ends = np.array([*left.get_xlim(), *left.get_ylim()])
        span = [float(ends.min()), float(ends.max())]
        left.plot(span, span, color=SOFT, lw=1, zorder=0)
        left.set(
            xlabel=f"rate at the fixed point of {reference.backend} (dimensionless)",
            ylabel=f"rate of {recording.backend} (dimensionless)",
        )
        left.set_title("each unit of each sample")
        left.legend(markerscale=2.5)
        left.grid()
        _errors(right, recording, reference, names)
    return figure


def _errors(axes: Axes, recording: Recording, reference: Recording, names: list[str]) -> None:
    errors = {n: np.sort(np.abs(recording.rates[n] - reference.rates[n]).ravel()) for n in names}
    every = np.concatenate(list(errors.values()))
    top = 10.0 ** np.ceil(np.log10(max(float(every.max()), 1e-16)))
    for name, error in errors.items():
        share = 1.0 - np.arange(1, error.size + 1) / error.size
        at = np.r_[top * 10.0**-_DECADES, np.maximum(error, top * 10.0**-_DECADES)]
        axes.step(
            at, np.r_[np.mean(error > 0), share], where="post", color=colours(names)[name], lw=1.7, label=name
        )
    axes.axvline(float(every.mean()), color=INK, lw=1, ls=(0, (4, 3)), label=f"mean {every.mean():.1e}")
    axes.set(
        xscale="log",
        xlim=(top * 10.0**-_DECADES, top),
        ylim=(0, 1.03),
        xlabel="|difference of a rate| (dimensionless)",
        ylabel="share of rates further off",
    )
    axes.set_title(f"how far off: {np.mean(every == 0):.0%} are equal to the last bit")
    axes.legend()
    axes.grid()
