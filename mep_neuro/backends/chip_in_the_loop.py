"""Training with the chip in the loop: states from the integers of Loihi 2, consolidation on the host.

For each batch the host rounds its float weights to the chip's integers; the emulation settles freely and,
from there, nudged to both sides by a change of the output's biases; the host reads the membranes, forms the
contrast and consolidates its float weights.

Membranes, not states: a state is the membrane rounded to 2^-8, and the hidden units of the digits answer a
nudge by a few such steps, often by none (tests/benchmarks/loihi_gradient.py has both readings).
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from mep_neuro.chip.emulate import EmulatedRun, emulate
from mep_neuro.chip.profile import ChipProfile, read_profile
from mep_neuro.chip.quantize import Quantized, quantize
from mep_neuro.equilibrium.learning.elsewhere import Settled, refuse_elsewhere, states_from
from mep_neuro.equilibrium.learning.trainer import Trainer as TorchTrainer
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.readout import classes, with_readout
from mep_neuro.simulation.stimulus import Stimulus, present

Array = NDArray[np.float64]
MAX_STEPS = 2000  # ten times what the slowest sample of the digits takes


class EmulatedPhases:
    """One batch in the emulation."""

    def __init__(self, network: Network, features: Array, profile: ChipProfile) -> None:
        """Round the weights and lay out the batch, shape (batch, n_input)."""
        self._quantized: Quantized = quantize(network, profile)
        self._stimulus: Stimulus = present(network, features)
        self._rest: EmulatedRun | None = None

    def free(self) -> Settled:
        """Settle without a nudge, from zero."""
        self._rest = emulate(self._quantized, self._quantized.bias(self._stimulus), max_steps=MAX_STEPS)
        return self._settled(self._rest)

    def nudged(self, current: Mapping[str, Array]) -> Settled:
        """Settle from the free fixed point under further currents, which enter as biases."""
        start = None if self._rest is None else self._rest.state
        bias = self._quantized.bias(self._stimulus, current)
        return self._settled(emulate(self._quantized, bias, max_steps=MAX_STEPS, start=start))

    def _settled(self, run: EmulatedRun) -> Settled:
        return Settled(self._quantized.membrane_rates(run.v), run.steps, run.settled)


class Trainer:
    """Learns labelled samples with the emulation in the loop; the order and rates are those of torch."""

    def __init__(
        self,
        network: Network,
        features: NDArray[np.floating],
        labels: NDArray[np.integer],
        *,
        epochs: int,
        chip: str = "loihi2",
    ) -> None:
        """Prepare training.

        Args:
            network: The network; not changed.
            features: Training part, shape (samples, n_input).
            labels: Classes, shape (samples,), integers from 0.
            epochs: Passes over the training part.
            chip: Chip profile.

        Raises:
            UnsupportedError: The network cannot run or learn there; each part is named.
            ChipRangeError: A number does not fit the chip.
        """
        profile = read_profile(chip)
        quantize(network, profile)  # what does not fit is told before anything is trained
        self._net = EquilibriumNetwork(network)
        refuse_elsewhere(self._net, "loihi-emulator")
        self._profile = profile

        def begin(model: EquilibriumNetwork, batch: Array) -> EmulatedPhases:
            return EmulatedPhases(model.to_network(), batch, profile)

        self._trainer = TorchTrainer(self._net, features, labels, epochs=epochs, gradient=states_from(begin))
        self.prepare, self.state, self.load_state = (
            self._trainer.prepare,
            self._trainer.state,
            self._trainer.load_state,
        )

    @property
    def update(self) -> int:
        """Updates done."""
        return self._trainer.update

    @property
    def updates(self) -> int:
        """Updates of the whole training."""
        return self._trainer.epochs * self._trainer.updates_per_epoch

    def arrays(self) -> dict[str, NDArray[np.floating]]:
        """The host's float weights, by the names of `Network.arrays()`."""
        return self._net.arrays()

    def train(self, after: Callable[[dict[str, float] | None], None] = lambda record: None) -> None:
        """Learn to the end.

        Args:
            after: Called after each update, with the epoch's metrics after its last one and None before.

        Raises:
            SettleError: A contrast is not finite; the weights are those of the last good update.
            ChipRangeError: A weight has outgrown the chip.
        """
        while not self._trainer.finished:
            after(self._trainer.advance())

    def predict(self, features: NDArray[np.floating]) -> NDArray[np.int64]:
        """Classes by the states of the free phase in the emulation, shape (samples,)."""
        network = self._net.to_network()
        quantized = quantize(network, self._profile)
        stimulus = present(network, np.asarray(features, dtype=np.float64))
        run = emulate(quantized, quantized.bias(stimulus), max_steps=MAX_STEPS)
        return classes(network, with_readout(network, quantized.rates(run.s)))
