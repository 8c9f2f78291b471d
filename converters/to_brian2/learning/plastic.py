"""A network that learns, as Brian2 objects that a user reaches."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.converted import ProjectionTable
from mep_neuro.converters.to_brian2.learning.timetable import Timetable
from mep_neuro.simulation.network import Network

Array = NDArray[np.float64]

TRACES = ("trace", "mean", "square")
"""What a synapse keeps from one update to the next; of a bias its unit keeps the same, as bias_trace, ..."""


@dataclass(frozen=True)
class Plastic:
    """A network in Brian2 that learns while it runs.

    Attributes:
        network: The brian2.Network that holds everything.
        populations: NeuronGroup of each population, the input's too.
        projections: Synapses of each projection: weight w, trace where it is plastic.
        source: The network it was made from.
        times: Steps of each phase.
        dt: Time step, seconds.
    """

    network: Any
    populations: Mapping[str, Any]
    projections: ProjectionTable
    source: Network
    times: Timetable
    dt: float

    def places(self) -> dict[str, tuple[Any, str]]:
        """Group and variable of each number that learning changes, by the names of `Network.arrays()`."""
        found: dict[str, tuple[Any, str]] = {}
        for name, p in self.source.populations.items():
            if p.role != "input" and p.plastic_bias:
                found[f"populations.{name}.bias"] = self.populations[name], "bias"
        for name, q in self.source.projections.items():
            if q.plastic:
                found[f"projections.{name}.weight"] = self.projections[name], "w"
        return found

    def traces(self) -> Iterator[tuple[str, Any, str]]:
        """Name of the number, group and variable of everything in `TRACES`."""
        for name, (group, variable) in self.places().items():
            prefix = "" if variable == "w" else f"{variable}_"
            yield from ((name, group, prefix + t) for t in TRACES if prefix + t in group.variables)

    def changing(self) -> Iterator[tuple[Any, str]]:
        """Group and variable of every number that a training changes and keeps."""
        yield from self.places().values()
        yield from ((group, variable) for _, group, variable in self.traces())


def read(group: Any, variable: str) -> Array:
    """A variable of a group, shape (n,)."""
    return np.array(group.variables[variable].get_value(), dtype=np.float64)
