"""What a report shows, and how it names the back ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mep_neuro.backends.accuracy import Accuracy
from mep_neuro.backends.compare import Deviation
from mep_neuro.backends.report_html import Html, html, tag
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.recording import Recording

Array = NDArray[np.float64]

EQUILIBRIUM_PROPAGATION = "Equilibrium Propagation, without backpropagation"
COLOURS = 6  # as many as the style sheet has


@dataclass(frozen=True)
class ReportContent:
    """Everything that a report shows.

    Attributes:
        network: The trained network.
        data: Name of the data set, for people.
        split: How it was split, in one sentence.
        features: The samples that the back ends were shown, shape (samples, n_input).
        labels: Their classes, shape (samples,).
        recordings: By back end, the reference first.
        deviations: By back end, without the reference.
        accuracies: By name, for the accuracy table: the whole held-out part, back ends, controls.
        metrics: One line an epoch; every key that ends in 'accuracy' is drawn.
        commands: What to type to get this again.
        facts: Versions, seeds, identity of the data, by name.
        notes: Further limits, one sentence each.
        learning: By what the network learned; empty where it has its starting weights.
        marks: Sizes drawn in the error plots, by text, such as the step of an 8-bit rate.
    """

    network: Network
    data: str
    split: str
    features: Array
    labels: NDArray[np.int64]
    recordings: Mapping[str, Recording]
    deviations: Mapping[str, Deviation]
    accuracies: Mapping[str, Accuracy]
    metrics: Sequence[Mapping[str, float]] = ()
    commands: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    learning: str = EQUILIBRIUM_PROPAGATION
    marks: Mapping[str, float] = field(default_factory=dict)

    @property
    def reference(self) -> Recording:
        """The recording that the others are measured against."""
        return next(iter(self.recordings.values()))


def series(content: ReportContent, name: str) -> int:
    """Which of the style sheet's colours a back end has."""
    return list(content.recordings).index(name) % COLOURS


def key(content: ReportContent, name: str) -> Html:
    """The name, after a dot in its colour where it is a back end."""
    if name not in content.recordings:
        return tag(
            "span", "", class_="key", style="background: none; border: 1.5px solid var(--soft)"
        ) + html(name)
    return tag("span", "", class_="key", style=f"background: var(--s{series(content, name)})") + html(name)
