"""The numbers of a network that learns inside Brian2, as a RUN holds them and as its synapses do."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.learning.plastic import Plastic
from mep_neuro.converters.to_brian2.learning.runtime import Runtime
from mep_neuro.converters.to_brian2.learning.standalone import Standalone
from mep_neuro.simulation.network import Network

Array = NDArray[np.float64]


class Numbers:
    """Reads and writes them while the simulation stands still, by the names of `Network.arrays()`."""

    def __init__(self, network: Network, plastic: Plastic, simulation: Runtime | Standalone) -> None:
        """Take the network for the shapes, and where its numbers lie."""
        self._network, self._plastic, self._simulation = network, plastic, simulation

    def read(self) -> dict[str, Array]:
        """The present numbers, float64."""
        numbers = {name: np.array(array) for name, array in self._network.arrays().items()}
        for name, place in self._plastic.places().items():
            numbers[name] = self._shaped(name, self._simulation.read(*place))
        return numbers

    def write(self, numbers: Mapping[str, NDArray[np.floating]]) -> None:
        """Set those that learning changes."""
        for name, (group, variable) in self._plastic.places().items():
            kind, part, _ = name.split(".")
            values = numbers[name].ravel()
            if kind == "projections":
                values = values[self._network.projections[part].synapses.slot]
            self._simulation.write(group, variable, values)

    def traces(self, names: Iterable[str]) -> dict[str, Array]:
        """What the synapses of these weights have accumulated."""
        places = self._plastic.places()
        return {name: self._shaped(name, self._simulation.read(places[name][0], "trace")) for name in names}

    def clear_traces(self, names: Iterable[str]) -> None:
        """Set them to 0."""
        places = self._plastic.places()
        for name in names:
            self._simulation.write(places[name][0], "trace", np.zeros(len(places[name][0])))

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Everything but the weights that the synapses keep from one update to the next."""
        return {
            f"brian2.{name}.{variable}": self._simulation.read(group, variable)
            for name, group, variable in self._plastic.traces()
        }

    def load_state(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Take back what `state` gave."""
        for name, group, variable in self._plastic.traces():
            values = np.asarray(arrays[f"brian2.{name}.{variable}"], dtype=np.float64)
            self._simulation.write(group, variable, values)

    def _shaped(self, name: str, values: Array) -> Array:
        """Values of each synapse (or unit) as the array that a RUN holds."""
        kind, part, _ = name.split(".")
        if kind == "populations":
            return values
        projection = self._network.projections[part]
        shaped = np.empty(projection.weight.size)
        shaped[projection.synapses.slot] = values
        return shaped.reshape(projection.weight.shape)
