"""annealed_sigma_delta: sigma-delta neurons whose threshold halves on the way, few messages and no floor."""

from dataclasses import dataclass

from mep_neuro.neurons.fixed_point import MESSAGE_BITS
from mep_neuro.neurons.sigma_delta import GradedSigmaDelta

HALVING_SLOTS = 8
"""A network settles about as fast: its slowest mode at a spectral bound of 0.7 halves in 10 slots."""


@dataclass(frozen=True)
class AnnealedSigmaDelta(GradedSigmaDelta):
    """As `GradedSigmaDelta`, with theta(t) = max(v_threshold 2^-(t div 8), 2^-20), t from the phase's start.

    What is coarse is said first, and finer words only once they are true: a unit sends few
    messages, and the error falls exponentially with the slots.

    Attributes:
        v_threshold: The first threshold, a power of two, in units of the state.

    Source: O'Connor, Gavves and Welling 2019 (annealed step sizes in spiking Equilibrium Propagation).
    """

    v_threshold: float = 0.25

    def threshold(self, slot: int) -> float:
        """Theta in a slot of the phase."""
        return max(self.v_threshold * 2.0 ** -(slot // HALVING_SLOTS), 2.0**-MESSAGE_BITS)
