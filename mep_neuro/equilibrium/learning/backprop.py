"""The same network trained by autograd through its settle: for comparison only.

Training by Equilibrium Propagation imports nothing from here.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from mep_neuro.equilibrium.cost import cost
from mep_neuro.equilibrium.learning.trainer import Step
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase
from mep_neuro.errors import UnsupportedError

UNROLLED_STEPS = 60
"""Steps differentiated after the free phase; at a radius of 0.9 what is cut is 0.9^60 = 0.2 %."""


def backpropagation(model: EquilibriumNetwork, features: Tensor, target: Tensor) -> Step:
    """Minus the gradient of the mean cost, by autograd through steps of s <- rho(M s + drive).

    Raises:
        UnsupportedError: Units are gated; the steps know nothing of it.
    """
    if model.predictive:
        raise UnsupportedError(
            "backpropagation: the comparison goes through coupled rates, and equilibrium.energy is "
            "predictive_coding; differentiate the forward network instead"
        )
    free = free_phase(model, features)
    if any(gate is not None for gate in free.gates):
        name = next(n for n, gate in zip(model.settling, free.gates, strict=True) if gate is not None)
        raise UnsupportedError(
            f"backpropagation: the units of population '{name}' are gated (dropout or sparsity), which the "
            "comparison does not follow; remove that, or train by Equilibrium Propagation"
        )
    start = torch.cat([free.point.states[name] for name in model.settling], dim=1)
    with torch.enable_grad(), _leaves(model) as leaves:
        _, drive = model.drive(features)
        matrix = _merged(model)
        states = start
        parts = [len(model.biases[name]) for name in model.settling]
        inputs = torch.cat([drive[name] for name in model.settling], dim=1)
        for _ in range(UNROLLED_STEPS):
            currents = torch.split(states @ matrix.T + inputs, parts, dim=1)
            rates = [rho.rate(c) for rho, c in zip(model.activations, currents, strict=True)]
            states = torch.cat(rates, dim=1)
        named = dict(zip(model.settling, torch.split(states, parts, dim=1), strict=True))
        output = model.readout(named)
        total = cost(model.cost, output, target, model.positions).mean()
        gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    ascent = {
        key: torch.zeros_like(leaf) if gradient is None else -gradient
        for (key, leaf), gradient in zip(leaves.items(), gradients, strict=True)
    }
    for name in model.plastic_biases:
        ascent[f"populations.{name}.bias"] = model.shared(name, ascent[f"populations.{name}.bias"])
    return Step(ascent, output.detach(), (free.point,))


@contextmanager
def _leaves(model: EquilibriumNetwork) -> Iterator[dict[str, Tensor]]:
    """The plastic parameters, requiring grad within."""
    leaves: dict[str, Tensor] = {
        f"projections.{name}.weight": c.weight for name, c in model.projections.items() if c.plastic
    }
    for name, population in model.network.populations.items():
        if population.role != "input" and population.plastic_bias:
            leaves[f"populations.{name}.bias"] = model.biases[name]
    try:
        for leaf in leaves.values():
            leaf.requires_grad_(True)
        for coupling in model.inputs.values():
            coupling.weight_changed()  # what it keeps beside its weight belongs to the graph
        yield leaves
    finally:
        for leaf in leaves.values():
            leaf.requires_grad_(False)
        model.weights_changed()


def _merged(model: EquilibriumNetwork) -> Tensor:
    """M over the settling units as a dense matrix: forward W, feedback g W^T."""
    starts, size = {}, 0
    for name in model.settling:
        starts[name], size = size, size + len(model.biases[name])
    matrix = torch.zeros(size, size, dtype=model.dtype)
    for name, coupling in model.couplings.items():
        synapses = model.network.projections[name].synapses
        slot = torch.as_tensor(synapses.slot)
        weight = synapses.scale * coupling.weight.reshape(-1)[slot]
        post = torch.as_tensor(synapses.post) + starts[coupling.post]
        pre = torch.as_tensor(synapses.pre) + starts[coupling.pre]
        gain = torch.as_tensor(synapses.gain, dtype=model.dtype)
        matrix = matrix.index_put((post, pre), weight, accumulate=True)
        fixed = model.network.projections[name].feedback_weight
        if fixed is not None:
            weight = synapses.scale * torch.as_tensor(fixed, dtype=model.dtype).reshape(-1)[slot]
        matrix = matrix.index_put((pre, post), gain * weight, accumulate=True)
    return matrix
