"""One look for every picture: white ground, colours that all can tell apart, units on every axis."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.recording import Recording

INK, SOFT, GRID = "#1f2328", "#5c646d", "#e3e1dc"

# Okabe and Ito 2008, 'Color universal design', darkened to a contrast of 3:1 on white; as in the report.
SERIES = ("#0072b2", "#c45100", "#00805c", "#a8558a", "#8a6d00", "#333a41")
RATES_MAP = "cividis"  # a sequential map that colour-blind readers see as others do
SIGNED_MAP = "PuOr"  # orange below 0, purple above

_STYLE: dict[Any, object] = {
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
}


@contextmanager
def styled() -> Iterator[None]:
    """Matplotlib's settings for our figures; the user's own are as they were afterwards."""
    with matplotlib.rc_context(_STYLE):
        yield


def panels(count: int, *, width: float = 7.0, height: float = 2.0) -> tuple[Figure, list[Axes]]:
    """A figure of panels one above the other that share their horizontal axis."""
    figure = Figure(figsize=(width, height * count + 0.6))
    return figure, list(figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0])


def colours(names: Sequence[str]) -> Mapping[str, str]:
    """A colour for each population, in the order of the file."""
    return {name: SERIES[n % len(SERIES)] for n, name in enumerate(names)}


def settling(network: Network) -> list[str]:
    """Names of the settling populations, from the output down to the input: as they are drawn."""
    return [p.name for p in reversed(network.dynamic)]


def clock(recording: Recording, network: Network) -> tuple[float, str]:
    """What a row of the recording's traces lasts, and the label of a time axis.

    A step of spiking neurons and of Brian2 is dt of the file; of an integer back end it is no time.
    """
    if recording.spikes or recording.backend == "brian2":
        return 1e3 * network.spec.equilibrium.dt, "time (ms)"
    return 1.0, "step"


def check_sample(recording: Recording, sample: int) -> None:
    """Refuse a sample that was not recorded.

    Raises:
        UnsupportedError: There is none of this number.
    """
    count = len(recording.steps)
    if not 0 <= sample < count:
        raise UnsupportedError(f"sample {sample}: the recording has {count}; give 0 to {count - 1}")
