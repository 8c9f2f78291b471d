"""The energy that the free phase descends; for checks and plots, settling never computes it.

    E(s) = sum_i k_i [ G(s_i) - b_i s_i ] - sum_synapses k_post s_post w s_pre

with G' the inverse of rho, k the energy weight relative to the output, and b the bias plus the
current of the clamped input. Block updates never raise E, nor do those of one unit after the other inside a
lattice, or of one token that attends to others; where all units of a lattice move at once it falls while the
map has no eigenvalue below -1.

Source: design, 'Words and equations'; Hopfield 1984, equation 7, for G.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.errors import UnsupportedError


def energy(
    model: EquilibriumNetwork,
    states: Mapping[str, Tensor],
    drive: Mapping[str, Tensor],
    input_rates: Tensor | None = None,
) -> Tensor:
    """E of each sample, shape (batch,).

    Args:
        model: The network.
        states: Rates of every settling population, shape (batch, n) each.
        drive: Constant current of each, as `Free.drive`; add a nudge for the nudged phase's energy.
        input_rates: Rates of the clamped input, as `Free.input_rates`; attention to it needs them.

    Raises:
        UnsupportedError: Random or antisymmetric feedback leaves the network without an energy.
    """
    network = model.network
    if model.predictive:
        raise UnsupportedError(
            "energy: this is that of coupled rates, and equilibrium.energy is predictive_coding; "
            "half the sum of its squared errors is 0 in the free phase"
        )
    if network.without_energy:
        name = network.without_energy[0]
        raise UnsupportedError(
            f"projections.{name}: {network.projections[name].feedback} feedback has no energy; "
            "write feedback: tied, or look at the residual alone"
        )
    total = torch.zeros(len(next(iter(states.values()))), dtype=model.dtype)
    for name in model.settling:
        population, s = network.populations[name], states[name]
        k = torch.as_tensor(population.k, dtype=model.dtype)
        total = total + (INVERSE_INTEGRAL[population.activation](s) - drive[name] * s) @ k
    for name, coupling in model.couplings.items():
        synapses = network.projections[name].synapses
        post, pre, slot = (torch.as_tensor(i) for i in (synapses.post, synapses.pre, synapses.slot))
        k = torch.as_tensor(network.populations[coupling.post].k, dtype=model.dtype)
        weight = (k[post] * coupling.weight.reshape(-1)[slot] * synapses.scale).to(model.dtype)
        shape = (states[coupling.post].shape[1], states[coupling.pre].shape[1])
        matrix = torch.sparse_coo_tensor(torch.stack([post, pre]), weight, shape, check_invariants=False)
        total = total - (states[coupling.post] * (matrix @ states[coupling.pre].T).T).sum(1)
    seen = dict(states) if input_rates is None else {**states, model.input_name: input_rates}
    for attention in model.attentions.values():
        total = total + attention.energy(seen[attention.pre], seen[attention.post])
    return total


def _quadratic(s: Tensor) -> Tensor:
    return 0.5 * s.square()


def _tanh(s: Tensor) -> Tensor:
    """The integral of artanh; ln 2 at the ends."""
    total: Tensor = 0.5 * (torch.special.xlogy(1.0 + s, 1.0 + s) + torch.special.xlogy(1.0 - s, 1.0 - s))
    return total


def _sigmoid(s: Tensor) -> Tensor:
    """The integral of the logit; 0 at the ends."""
    total: Tensor = torch.special.xlogy(s, s) + torch.special.xlogy(1.0 - s, 1.0 - s)
    return total


INVERSE_INTEGRAL: dict[str, Callable[[Tensor], Tensor]] = {
    "hard_sigmoid": _quadratic,
    "relu": _quadratic,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "linear": _quadratic,
}
"""G of each activation; states outside the range of rho have no energy, and settling makes none."""
