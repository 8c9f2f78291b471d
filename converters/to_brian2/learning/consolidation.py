"""Muon, Dion, the spectral bound and homeostasis: what a synapse cannot do by itself, every `period` updates.

It is the package's own learner in float64, shown the traces that the synapses have accumulated.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from mep_neuro.equilibrium.learner import Learner
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.simulation.network import Network

Array = NDArray[np.float64]


class Consolidation:
    """Acts on the numbers that the simulation gives it.

    Attributes:
        period: Updates from one consolidation to the next.
        active: Whether it changes anything.
        weights: Names of the weights that it alone moves, along the sums of their contrasts.
    """

    def __init__(self, network: Network) -> None:
        """Make the learner of the network's `consolidation` section."""
        section = network.spec.consolidation
        self.period = section.updates
        self.weights = frozenset(
            f"projections.{name}.weight"
            for name, q in network.projections.items()
            if q.plastic
            and q.weight.ndim == 2
            and section.method != "none"
            and network.spec.learning.mode != "continual"
        )
        self.active = bool(self.weights) or section.spectral_bound is not None or bool(section.homeostasis)
        # One update of this learner is one consolidation, and everything else moves inside Brian2.
        learning = network.spec.learning.model_copy(update={"optimizer": "sgd", "momentum": 0.0})
        spec = network.spec.model_copy(
            update={"consolidation": section.model_copy(update={"period": "1 update"}), "learning": learning}
        )
        self._model = EquilibriumNetwork(
            Network(spec, network.populations, network.projections), torch.float64
        )
        self._learner = Learner(self._model)

    @property
    def radius(self) -> float | None:
        """Radius of the coupled map after the last bound, or None without one."""
        return self._learner.radius

    def begin(self, numbers: Mapping[str, NDArray[np.floating]]) -> dict[str, Array]:
        """Bound the weights before the first update; numbers by the names of `Network.arrays()`."""
        self._model.load_arrays(numbers)
        self._learner.bound_now(fully=True)
        return self._numbers()

    def step(
        self, numbers: Mapping[str, Array], traces: Mapping[str, Array], rate_factor: float
    ) -> dict[str, Array]:
        """Consolidate.

        Args:
            numbers: Weights and biases by the names of `Network.arrays()`.
            traces: Summed contrasts of `weights`.
            rate_factor: Multiplies the learning rate, for schedules.

        Raises:
            SettleError: A trace is not finite, or the bound cannot be kept.
        """
        self._model.load_arrays(numbers)
        still = {name: torch.zeros(array.shape, dtype=torch.float64) for name, array in numbers.items()}
        moving = {name: torch.from_numpy(trace.copy()) for name, trace in traces.items()}
        self._learner.update({**still, **moving}, rate_factor)
        return self._numbers()

    def state(self) -> dict[str, NDArray[np.generic]]:
        """What a resumed consolidation needs."""
        return self._learner.state()

    def load_state(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Take back what `state` gave."""
        self._learner.load_state(arrays)

    def _numbers(self) -> dict[str, Array]:
        return {name: np.array(array, dtype=np.float64) for name, array in self._model.arrays().items()}
