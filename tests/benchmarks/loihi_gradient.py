"""The gradient of Equilibrium Propagation, measured in the integers of the chip.

Layers of 30, 30 and 10 units behind 10 inputs, lambda 0.5 and 0.9, 8-bit weights, batches of 16. Both
phases settle in the emulator (whose integers are Lava's, `loihi_exact`); the nudge is a constant current
+-beta (y - s_free), a change of the biases alone. Each block's contrast is compared by its cosine with the
gradient of the float network: EP in float64 at beta 1e-4, and, beside it, float64 EP at the same beta.

The control holds the first layer's contrast of one network against the gradient of another.

Usage: python tests/benchmarks/loihi_gradient.py [--json] [--full]
"""

import argparse
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from loihi_networks import layered, scaled
from numpy.typing import NDArray

from mep_neuro.chip.emulate import emulate
from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import quantize
from mep_neuro.simulation.currents import currents
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.stimulus import Stimulus, present

Array = NDArray[np.float64]
Settle = Callable[[Array | None], Array]
SIZES, BATCH, EXACT_BETA = (10, 30, 30, 10), 16, 1e-4


def float_settle(network: Network, stimulus: Stimulus) -> Settle:
    """Fixed points in float64, to 1e-13, of a nudge of the output."""
    operator = currents(network)
    drive, weight = operator.join(stimulus.drive), operator.recurrent.toarray()

    def settle(nudge: Array | None) -> Array:
        force = np.zeros_like(drive)
        if nudge is not None:
            force[:, -nudge.shape[1] :] = nudge
        s = np.zeros_like(drive)
        for _ in range(20_000):
            new = 0.5 * s + 0.5 * np.clip(s @ weight.T + drive + force, 0, 1)
            if np.abs(new - s).max() < 1e-13:
                return new
            s = new
        raise RuntimeError("the float network has no stable fixed point")

    return settle


def chip_settle(network: Network, stimulus: Stimulus, state_bits: int) -> Settle:
    """Fixed points in the chip's integers; a nudged phase goes on from the free one."""
    q = quantize(network, read_profile("loihi2"), state_bits=state_bits)
    free = emulate(q, q.bias(stimulus))

    def settle(nudge: Array | None) -> Array:
        if nudge is None:
            return free.s / q.s_max
        bias = q.bias(stimulus, {network.output.name: nudge})
        done = emulate(q, bias, start=free.state)
        return done.s / q.s_max

    return settle


def contrasts(
    network: Network, stimulus: Stimulus, settle: Settle, target: Array, beta: float
) -> list[Array]:
    """Centered contrast of every projection, input first."""
    free = settle(None)
    away = target - free[:, -target.shape[1] :]
    ends = np.cumsum([p.size for p in network.dynamic])[:-1]
    found: list[Array] = []
    for sign in (1.0, -1.0):
        states = [stimulus.rates, *np.split(settle(sign * beta * away), ends, axis=1)]
        for block in range(len(states) - 1):
            product = sign * states[block + 1].T @ states[block] / (2 * beta)
            if sign > 0:
                found.append(product)
            else:
                found[block] = found[block] + product
    return found


def cosine(one: Array, other: Array) -> float:
    return float((one * other).sum() / np.sqrt(np.square(one).sum() * np.square(other).sum()))


def smooth(seed: int, largest: float) -> Network:
    """A network whose units settle between the ends of the clamp: at a corner there is no gradient."""
    network = scaled(layered(seed, SIZES), largest)
    arrays, rng = network.arrays(), np.random.default_rng(seed)
    for name in arrays:
        if name.endswith(".bias"):
            arrays[name] = rng.uniform(0.4, 0.6, arrays[name].shape)
    first = "projections.input_layer1.weight"
    arrays[first] = 0.3 * arrays[first]
    recurrent = currents(network).recurrent
    half = {p.name: 0.5 for p in network.dynamic}
    offset = recurrent @ np.concatenate([np.full(p.size, half[p.name]) for p in network.dynamic])
    starts = np.cumsum([0, *(p.size for p in network.dynamic)])
    for p, start in zip(network.dynamic, starts[:-1], strict=True):
        arrays[f"populations.{p.name}.bias"] -= offset[start : start + p.size]
    return network.with_arrays(arrays)


def cornered(seed: int, largest: float) -> Network:
    """A network with random biases: many units are clamped, or the nudge carries them over a corner."""
    return scaled(layered(seed, SIZES), largest)


def measure(
    largest: float, beta: float, networks: int, state_bits: int, make: Callable[[int, float], Network]
) -> dict[str, Any]:
    chip, same, exact_of_last = [], [], None
    control = []
    for seed in range(networks):
        network = make(seed, largest)
        rng = np.random.default_rng(seed)
        stimulus = present(network, rng.random((BATCH, SIZES[0])))
        target = np.eye(SIZES[-1])[rng.integers(0, SIZES[-1], BATCH)]
        settle = float_settle(network, stimulus)
        exact = contrasts(network, stimulus, settle, target, EXACT_BETA)
        float_ep = contrasts(network, stimulus, settle, target, beta)
        own = contrasts(network, stimulus, chip_settle(network, stimulus, state_bits), target, beta)
        chip.append([cosine(a, b) for a, b in zip(own, exact, strict=True)])
        same.append([cosine(a, b) for a, b in zip(float_ep, exact, strict=True)])
        if exact_of_last is not None:
            control.append(cosine(own[0], exact_of_last[0]))
        exact_of_last = exact
    lowest, float_lowest = np.min(chip, axis=0), np.min(same, axis=0)
    passes = [a >= 0.99 or a >= b - 0.002 for a, b in zip(np.ravel(chip), np.ravel(same), strict=True)]
    return {
        "chip_lowest_by_block": [round(float(value), 5) for value in lowest],
        "float_same_beta_lowest_by_block": [round(float(value), 5) for value in float_lowest],
        "blocks": len(passes),
        "blocks_that_pass": int(sum(passes)),
        "control_largest": round(max(control), 3) if control else None,
    }


def main() -> None:
    """Measure, and print the table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--full", action="store_true", help="10 networks instead of 3, and more betas")
    options = parser.parse_args()
    betas = (0.1, 0.2, 0.5) if options.full else (0.2,)
    count = 10 if options.full else 3
    found = {
        f"lambda {size}, beta {beta}, {bits} bits": measure(size, beta, count, bits, smooth)
        for size in (0.5, 0.9)
        for beta in betas
        for bits in (8, 10)
    }
    for size in (0.5, 0.9):  # where many units are clamped or at a corner, EP itself has no such limit
        found[f"lambda {size}, beta 0.2, 8 bits, random biases"] = measure(size, 0.2, count, 8, cornered)
    print(json.dumps(found) if options.json else json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
