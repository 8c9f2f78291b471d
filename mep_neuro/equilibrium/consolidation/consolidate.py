"""Consolidation by itself: what a synapse cannot do alone, on numbers from wherever they were learned.

Muon, Dion, the spectral bound and homeostasis of the network's `consolidation` section, by the learner that
training in torch uses, in float64. Synapses of another simulator accumulate contrasts; every `period`
updates their sums are shown to it, and it gives back the weights to go on with.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from mep_neuro.equilibrium.learning.learner import Learner
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.errors import UpdateError
from mep_neuro.simulation.network import Network

Array = NDArray[np.float64]


def consolidate(
    network: Network | EquilibriumNetwork,
    update: Mapping[str, NDArray[np.floating]],
    *,
    rate_factor: float = 1.0,
) -> Network:
    """Turn summed contrasts into one step, and bring the weights under the spectral bound.

    Matrices take the orthogonal step of `consolidation.method` (muon, dion) at `consolidation.lr`; everything
    else, and with method none the matrices too, moves along its contrasts at `learning.lr`. Momentum and
    Dion's residual begin anew with each call: for a series of consolidations that share them use
    `Consolidator`, as learning in Brian2 does.

    Args:
        network: With its `consolidation` section, as built or as `mep.load` gives it; not changed. What is
            not plastic stays.
        update: Contrasts, or sums of them, by the names and shapes of `Network.arrays()`: weights
            (n_post, n_pre), biases (n,). What is missing counts as 0.
        rate_factor: Multiplies the learning rates, for schedules.

    Returns:
        A network with the new numbers, under the bound. Its period counts nothing here: a call is one
        consolidation.

    Raises:
        UpdateError: A name is none of the network's, or its shape differs.
        SettleError: A contrast is not finite, or couplings that stay fixed exceed the bound.

    Sources: Jordan et al. 2024 (Muon); Ahn et al. 2025 (Dion).
    """
    if isinstance(network, EquilibriumNetwork):
        network = network.to_network()
    numbers = network.arrays()
    arrays = {name: np.asarray(array) for name, array in update.items()}
    for name, array in arrays.items():
        if name not in numbers or array.shape != numbers[name].shape:
            known = numbers[name].shape if name in numbers else f"none of {', '.join(sorted(numbers))}"
            raise UpdateError(
                f"consolidate: {name}: shape {array.shape} of the update, the network's is {known}; give "
                "contrasts by the names and shapes of Network.arrays()"
            )
    return network.with_arrays(Consolidator(network).step(numbers, arrays, rate_factor))


class Consolidator:
    """A series of consolidations of one network, with momentum, Dion's subspace and what the bound knows.

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
        # One update of this learner is one consolidation; what it is shown no contrast of stays where it is.
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
        self,
        numbers: Mapping[str, NDArray[np.floating]],
        traces: Mapping[str, NDArray[np.floating]],
        rate_factor: float,
    ) -> dict[str, Array]:
        """Consolidate.

        Args:
            numbers: Weights and biases by the names of `Network.arrays()`.
            traces: Summed contrasts, of `weights` where everything else moves by itself.
            rate_factor: Multiplies the learning rate, for schedules.

        Raises:
            SettleError: A trace is not finite, or the bound cannot be kept.
        """
        self._model.load_arrays(numbers)
        still = {name: torch.zeros(array.shape, dtype=torch.float64) for name, array in numbers.items()}
        moving = {name: torch.tensor(trace, dtype=torch.float64) for name, trace in traces.items()}
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
