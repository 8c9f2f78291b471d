"""The rate neuron: a leaky membrane whose output is rho of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mep_neuro.neurons.activation import ACTIVATIONS

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rate:
    r"""Leaky integrator with rate output.

        tau_mem dv/dt = -v + current
        s = rho(v)

    Attributes:
        activation: Name of rho.
        tau_mem: Membrane time constant, seconds.
    """

    activation: str
    tau_mem: float

    def step(self, membrane: Array, current: Array, dt: float) -> Array:
        """One explicit Euler step; returns the new membrane (dimensionless).

        Args:
            membrane: v, any shape.
            current: Total input current, same shape, dimensionless.
            dt: Time step, seconds.
        """
        return membrane + (dt / self.tau_mem) * (current - membrane)

    def rate(self, membrane: Array) -> Array:
        """The output s = rho(v)."""
        return ACTIVATIONS[self.activation](membrane)
