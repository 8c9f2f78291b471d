"""Homeostatic gain control: each unit scales its coupled synapses until their sum is in bounds.

The load of a unit is the sum of |w| of all currents that other settling units send it, forward and back.
A unit whose load exceeds the target multiplies its synapses by (target / load)^(rate / 2); a synapse
sees the factors of its two ends. No unit knows more than its own synapses, where the spectral bound
needs the whole map.

The largest load is the norm of the coupled map in the largest rate: below 1 every solver contracts to
one fixed point, since no rho is steeper than 1, and the spectral radius is below it (Gershgorin 1931).
It asks for more than the radius: with random signs a load of 0.9 leaves a radius of about 0.3.

Source: Turrigiano 2008, multiplicative synaptic scaling.
"""

import torch
from torch import Tensor

from mep_neuro.equilibrium.model import EquilibriumNetwork

REACHED = 1.001
"""A load is at its target when it is within this factor: the last steps are ever smaller."""

MOST_STEPS = 10_000
"""Couplings that learning must not change may hold a load above its target for ever."""


class Homeostasis:
    """Scales the plastic couplings between settling units."""

    def __init__(self, model: EquilibriumNetwork, target: float, rate: float) -> None:
        """Take the synapses of every coupling, and where its units stand side by side."""
        self._target, self._rate, self._dtype = target, rate, model.dtype
        starts, size = {}, 0
        for name in model.settling:
            starts[name], size = size, size + len(model.biases[name])
        self._size, self._couplings = size, []
        for name, coupling in model.couplings.items():
            s = model.network.projections[name].synapses
            pre = torch.from_numpy(s.pre + starts[coupling.pre])
            post = torch.from_numpy(s.post + starts[coupling.post])
            gain = torch.tensor(abs(s.gain), dtype=model.dtype)
            self._couplings.append((coupling, pre, post, torch.from_numpy(s.slot), gain, s.scale))

    def loads(self) -> Tensor:
        """Sum of |w| into every settling unit, shape (units,)."""
        total = torch.zeros(self._size, dtype=self._dtype)
        for coupling, pre, post, slot, gain, scale in self._couplings:
            size = coupling.weight.detach().reshape(-1)[slot].abs() * scale
            total.index_add_(0, post, size).index_add_(0, pre, gain * size)
        return total

    def regulate(self, *, fully: bool = False) -> None:
        """One step of every unit towards the target, or all the way."""
        for _ in range(MOST_STEPS if fully else 1):
            loads = self.loads()
            if not bool((loads > self._target * REACHED).any()):
                return
            self._scale((self._target / loads.clamp_min(self._target)).pow(self._rate / 2))

    def _scale(self, factor: Tensor) -> None:
        """Multiply every plastic synapse by the factors of its two ends."""
        for coupling, pre, post, slot, _, _ in self._couplings:
            if coupling.plastic:
                learned = coupling.learned
                both = torch.ones(learned.numel(), dtype=learned.dtype)
                both.scatter_reduce_(0, slot, factor[pre] * factor[post], "amin")
                learned.mul_(both.reshape(learned.shape))
                coupling.learned_changed()
