"""The exact gradient of the cost at the free fixed point, by implicit differentiation.

For checks of the contrast only; training never imports it. Dense algebra per sample: cost grows
as the cube of the settling units.

With s = rho(u), u = M s + drive and C(s): e = (I - D M^T)^-1 D dC/ds, D = diag rho'(u), is dC/du,
and dC/dM[i, j] = e_i s_j.

Source: Almeida 1987 and Pineda 1987, recurrent backpropagation.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from mep_neuro.simulation.network import Network, Population
from mep_neuro.simulation.stimulus import add_forward, present
from mep_neuro.simulation.torch_only import refuse_torch_only

Array = NDArray[np.float64]


def free_states(network: Network, features: Array, *, tolerance: float = 1e-14) -> Array:
    """Rates of all settling units at the free fixed point, by damped iteration to the tolerance."""
    matrix, drive = _map(network), _drive(network, features)
    membrane = drive.copy()
    for _ in range(200_000):
        change = 0.5 * (_rho(network, membrane) @ matrix.T + drive - membrane)
        membrane += change
        if np.abs(change).max() < tolerance:
            return _rho(network, membrane)
    raise ArithmeticError("the free phase does not settle; lower the weights")


def negative_gradient(network: Network, features: Array, target: Array) -> dict[str, Array]:
    """-dC/dtheta of every weight and bias, averaged over the batch, by the names of `Network.arrays()`.

    Args:
        network: Settling populations with any activation; output inside the dynamics
            (squared error, or cross-entropy of its softmax) or a softmax read-out (cross-entropy).
        features: Shape (batch, n_input).
        target: Shape (batch, n_output).
    """
    matrix, drive = _map(network), _drive(network, features)
    states = free_states(network, features)
    output, gradient = _output_gradient(network, states, target)
    slope = _slope(network, states @ matrix.T + drive)
    eye = np.eye(len(matrix))
    back = np.stack(
        [np.linalg.solve(eye - d[:, None] * matrix.T, d * g) for d, g in zip(slope, gradient, strict=True)]
    )
    starts = _starts(network)
    rates = {network.input.name: present(network, features).rates}
    backs = {}
    for population in network.dynamic:
        rows = slice(starts[population.name], starts[population.name] + population.size)
        rates[population.name], backs[population.name] = states[:, rows], back[:, rows]
    if not network.output.dynamic:
        backs[network.output.name] = (output - target) / network.output.positions
    total: dict[str, Array] = {}
    for name, p in network.projections.items():
        s, flat = p.synapses, np.zeros(p.weight.size)
        before = rates[p.pre][:, s.pre]
        if p.post == network.output.name and not network.output.dynamic:
            before = (before - p.offset[np.searchsorted(p.pre_units, s.pre)]) * p.gain
        np.add.at(flat, s.slot, s.scale * (backs[p.post][:, s.post] * before).sum(0))
        if p.pre in backs and p.post in rates and p.feedback_weight is None:
            both = (backs[p.pre][:, s.pre] * rates[p.post][:, s.post]).sum(0)
            np.add.at(flat, s.slot, s.scale * s.gain * both)
        total[f"projections.{name}.weight"] = flat.reshape(p.weight.shape)
    for name, value in backs.items():
        total[f"populations.{name}.bias"] = _shared(network.populations[name], value.sum(0))
    return {name: -value / len(features) for name, value in total.items()}


def _shared(population: Population, bias: Array) -> Array:
    """The units of a channel that share a bias add up."""
    if population.bias_channels is None:
        return bias
    sums = bias.reshape(population.bias_channels, -1).sum(1)
    return np.repeat(sums, population.size // population.bias_channels)


def _starts(network: Network) -> dict[str, int]:
    sizes = [p.size for p in network.dynamic]
    return dict(zip([p.name for p in network.dynamic], [0, *np.cumsum(sizes).tolist()], strict=False))


def _map(network: Network) -> Array:
    """M: forward W, feedback g W^T, over the settling units."""
    refuse_torch_only(network, "the exact gradient")
    starts, size = _starts(network), sum(p.size for p in network.dynamic)
    matrix = np.zeros((size, size))
    for p in network.projections.values():
        if p.pre in starts and p.post in starts:
            pre, post = p.synapses.pre + starts[p.pre], p.synapses.post + starts[p.post]
            np.add.at(matrix, (post, pre), p.forward_weights)
            np.add.at(matrix, (pre, post), p.feedback_weights)
    return matrix


def _drive(network: Network, features: Array) -> Array:
    drive = present(network, features).drive
    return np.concatenate([drive[p.name] for p in network.dynamic], axis=1)


def _rho(network: Network, membrane: Array) -> Array:
    parts = np.split(membrane, np.cumsum([p.size for p in network.dynamic])[:-1], axis=1)
    return np.concatenate([p.rate(part) for p, part in zip(network.dynamic, parts, strict=True)], axis=1)


def _slope(network: Network, membrane: Array) -> Array:
    """rho' of each unit; at a kink, the slope on the side of rest."""
    slopes = {
        "hard_sigmoid": lambda v: ((v > 0) & (v < 1)).astype(float),
        "relu": lambda v: (v > 0).astype(float),
        "tanh": lambda v: 1.0 - np.tanh(v) ** 2,
        "sigmoid": lambda v: 0.25 * (1.0 - np.tanh(0.5 * v) ** 2),
        "linear": lambda v: np.ones_like(v),
    }
    parts = np.split(membrane, np.cumsum([p.size for p in network.dynamic])[:-1], axis=1)
    return np.concatenate(
        [slopes[p.activation](part) for p, part in zip(network.dynamic, parts, strict=True)], axis=1
    )


def _output_gradient(network: Network, states: Array, target: Array) -> tuple[Array, Array]:
    """Output rates, and dC/ds over all settling units."""
    starts = _starts(network)
    gradient = np.zeros_like(states)
    output = network.output
    if output.dynamic:
        rows = slice(starts[output.name], starts[output.name] + output.size)
        entropy = network.spec.equilibrium.nudge.cost == "cross_entropy"
        seen = softmax(states[:, rows], axis=1) if entropy else states[:, rows]
        gradient[:, rows] = seen - target
        return states[:, rows], gradient
    current = np.tile(output.bias, (len(states), 1))
    reads = [p for p in network.projections.values() if p.post == output.name]
    for p in reads:
        seen = np.zeros((len(states), network.populations[p.pre].size))
        seen[:, p.pre_units] = (states[:, starts[p.pre] + p.pre_units] - p.offset) * p.gain
        add_forward(current, p, seen)
    rates = output.rate(current)
    for p in reads:
        s, pulled = p.synapses, (rates - target) / output.positions
        each = pulled[:, s.post] * p.forward_weights * p.gain
        np.add.at(gradient.T, starts[p.pre] + s.pre, each.T)
    return rates, gradient
