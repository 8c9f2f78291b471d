"""How often each unit sent: spikes or messages per neuron."""

import numpy as np
from matplotlib.figure import Figure

from mep_neuro.backends.pictures.raster import require_spikes
from mep_neuro.backends.pictures.style import INK, colours, panels, settling, styled
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.recording import Recording


def plot_messages(recording: Recording, network: Network) -> Figure:
    """Histogram, over units and samples, of the messages that a unit sent in the free phase.

    Raises:
        UnsupportedError: Nothing was sent one by one.
    """
    require_spikes(recording)
    names = [n for n in settling(network) if n in recording.spikes]
    counts = {name: np.count_nonzero(recording.spikes[name], axis=0).ravel() for name in names}
    most = max(int(c.max(initial=0)) for c in counts.values())
    edges = np.arange(0, most + 2, max(1, most // 40)) - 0.5
    with styled():
        figure, axes = panels(len(names), height=1.9)
        for panel, name in zip(axes, names, strict=True):
            values, mean = counts[name], float(counts[name].mean())
            share = np.full(values.size, 1.0 / values.size)
            panel.hist(values, bins=edges.tolist(), weights=share, color=colours(names)[name], rwidth=0.9)
            panel.axvline(mean, color=INK, lw=1, ls=(0, (4, 3)), label=f"mean {mean:.2f}")
            panel.set_title(
                f"{name}: {recording.spikes[name].shape[2]} units, {len(recording.steps)} samples"
            )
            panel.set_ylabel("share of units")
            panel.legend(loc="upper right")
            panel.grid(axis="y")
        slots = len(next(iter(recording.spikes.values())))
        axes[-1].set_xlabel(f"spikes or messages of a unit in {slots} slots")
    return figure
