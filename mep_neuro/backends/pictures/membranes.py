"""Membranes over time, or rates where a back end keeps no membranes."""

import numpy as np
from matplotlib.figure import Figure

from mep_neuro.backends.pictures.style import (
    SOFT,
    check_sample,
    clock,
    colours,
    panels,
    settling,
    styled,
)
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.recording import Recording

MOST_LINES = {"membrane v": 5, "rate s": 10}
"""Units of a population that are drawn; membranes that spike hide each other sooner."""


def plot_membranes(recording: Recording, network: Network, *, sample: int = 0) -> Figure:
    """Traces of units of each population, evenly chosen from the highest settled rate to the lowest.

    Args:
        recording: Run with a trace; its membranes are drawn, or its rates where it has none.
        network: The network.
        sample: Which presentation.

    Raises:
        UnsupportedError: Nothing was traced, or there is no such sample.
    """
    traces, label = (
        (recording.membranes, "membrane v") if recording.membranes else (recording.trace, "rate s")
    )
    if not traces:
        raise UnsupportedError(f"recording of {recording.backend}: it holds no trace; run it with trace=True")
    check_sample(recording, sample)
    names = [n for n in settling(network) if n in traces]
    step, time = clock(recording, network)
    with styled():
        figure, axes = panels(len(names))
        for panel, name in zip(axes, names, strict=True):
            trace = traces[name][:, sample]
            order = np.argsort(-recording.rates[name][sample], kind="stable")
            places = np.linspace(0, order.size - 1, min(order.size, MOST_LINES[label]))
            shown = order[np.round(places).astype(int)]
            at = np.arange(1, len(trace) + 1) * step
            for n, unit in enumerate(shown):
                strength = 1.0 - 0.6 * n / max(len(shown) - 1, 1)
                panel.plot(at, trace[:, unit], color=colours(names)[name], alpha=strength, lw=1.2)
            threshold = network.spec.neuron_of(name).model_dump().get("v_threshold")
            if recording.membranes and threshold is not None:
                panel.axhline(threshold, color=SOFT, lw=1, ls=(0, (4, 3)), label="threshold")
                panel.legend(loc="upper right")
            of = f" of {trace.shape[1]}" if len(shown) < trace.shape[1] else ""
            panel.set_title(f"{name}: {len(shown)}{of} units, the darker the higher the settled rate")
            panel.set_ylabel(f"{label} (dimensionless)")
            panel.grid(axis="y")
        axes[-1].set(xlabel=time, xlim=(0, (len(trace) + 1) * step))
    return figure
