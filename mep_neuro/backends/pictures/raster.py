"""Who sent when: one row a unit, one mark a spike or message."""

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mep_neuro.backends.pictures.style import check_sample, clock, colours, panels, settling, styled
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.recording import Recording


def plot_raster(recording: Recording, network: Network, *, sample: int = 0) -> Figure:
    """Spikes (or graded messages, paler where they are small) of every settling unit.

    Args:
        recording: Of a spiking network, run with a trace.
        network: The network.
        sample: Which presentation.

    Raises:
        UnsupportedError: Nothing was sent one by one, or there is no such sample.
    """
    require_spikes(recording)
    check_sample(recording, sample)
    names = [n for n in settling(network) if n in recording.spikes]
    step, label = clock(recording, network)
    with styled():
        figure, axes = panels(len(names))
        for panel, name in zip(axes, names, strict=True):
            sent = recording.spikes[name][:, sample]
            rows, units = np.nonzero(sent)
            size = np.abs(sent[rows, units])
            colour = np.tile(to_rgba(colours(names)[name]), (size.size, 1))
            colour[:, 3] = np.clip(size / size.max(initial=1e-300), 0.35, 1.0)
            # Marks as high as a row, down to half a point where units are many.
            height = max(0.5, min(60.0, 150.0 / sent.shape[1]) ** 1.6)
            panel.scatter(
                (rows + 1) * step,
                units,
                s=height,
                marker="|",
                color=colour,
                linewidths=0.9,
            )
            rate = np.count_nonzero(sent) / sent.shape[1]
            panel.set_title(f"{name}: {sent.shape[1]} units, {rate:.1f} messages each")
            panel.set(ylabel="unit", ylim=(-0.8, sent.shape[1] - 0.2))
            panel.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axes[-1].set(xlabel=label, xlim=(0, (len(sent) + 1) * step))
    return figure


def require_spikes(recording: Recording) -> None:
    """Refuse a recording without spikes.

    Raises:
        UnsupportedError: It says what to do.
    """
    if not recording.spikes:
        raise UnsupportedError(
            f"recording of {recording.backend}: it holds no spikes or messages; run a spiking network "
            "(model: sif, sigma_delta, ...) with trace=True"
        )
