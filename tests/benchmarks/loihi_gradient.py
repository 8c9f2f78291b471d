"""The gradient of Equilibrium Propagation, measured in the integers of the chip.

Layers of 30, 30 and 10 units behind 10 inputs, lambda 0.5 and 0.9, 8-bit weights, batches of 16. All
phases settle in the emulator (whose integers are Lava's, `loihi_exact`); the nudge is a constant current
+-beta (y - s_free), a change of the biases alone. Each block's contrast is compared by its cosine with the
gradient of the float network: EP in float64 at beta 1e-4. A block passes at 0.99, or within 0.002 of the
cosine of float64 EP at the same beta.

`states` are what the neurons send, rounded to the state's bits; `membranes` are what the host may read
instead, and reads with the chip in the loop. `rounded weights` is float64 EP at the same beta on the network
of the chip's rounded weights: what misses there, no reading and no state can mend. `against the rounded
network` holds the membranes against the gradient and the EP of that network, the one that the chip runs.

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
from mep_neuro.chip.quantize import Quantized, quantize
from mep_neuro.simulation.currents import currents
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.stimulus import Stimulus, present

Array = NDArray[np.float64]
Settle = Callable[[Array | None], Array]
SIZES, BATCH, EXACT_BETA = (10, 30, 30, 10), 16, 1e-4


def float_settle(weight: Array, drive: Array) -> Settle:
    """Fixed points in float64, to 1e-13, of a nudge of the output."""

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


def chip_settle(q: Quantized, stimulus: Stimulus, reading: str) -> Settle:
    """Fixed points in the chip's integers; a nudged phase goes on from the free one."""
    free, output = emulate(q, q.bias(stimulus)), q.network.output.name

    def settle(nudge: Array | None) -> Array:
        run = free
        if nudge is not None:
            run = emulate(q, q.bias(stimulus, {output: nudge}), start=free.state)
        rates = q.rates(run.s) if reading == "states" else q.membrane_rates(run.v)
        return np.concatenate(list(rates.values()), axis=1)

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


def cosines(found: list[Array], exact: list[Array]) -> list[float]:
    return [cosine(a, b) for a, b in zip(found, exact, strict=True)]


def measure(
    largest: float, beta: float, networks: int, state_bits: int, make: Callable[[int, float], Network]
) -> dict[str, Any]:
    """Cosines of every reading, block by block, over some networks."""
    rows: dict[str, list[list[float]]] = {}
    exact_of_last, control = None, []
    for seed in range(networks):
        network = make(seed, largest)
        rng = np.random.default_rng(seed)
        stimulus = present(network, rng.random((BATCH, SIZES[0])))
        target = np.eye(SIZES[-1])[rng.integers(0, SIZES[-1], BATCH)]
        q = quantize(network, read_profile("loihi2"), state_bits=state_bits)
        operator = currents(network)
        drive, weight = operator.join(stimulus.drive), operator.recurrent.toarray()
        own = float_settle(weight, drive)
        rounded = float_settle(q.weight.toarray() * 2.0**-q.weight_exponent, drive)

        def ep(settle: Settle, strength: float = beta) -> list[Array]:
            return contrasts(network, stimulus, settle, target, strength)  # noqa: B023  # used in this turn

        exact, exact_rounded = ep(own, EXACT_BETA), ep(rounded, EXACT_BETA)
        states, membranes = (ep(chip_settle(q, stimulus, reading)) for reading in ("states", "membranes"))
        for name, found, truth in (
            ("float EP", ep(own), exact),
            ("states", states, exact),
            ("membranes", membranes, exact),
            ("rounded weights", ep(rounded), exact),
            ("float EP of the rounded network", ep(rounded), exact_rounded),
            ("against the rounded network", membranes, exact_rounded),
        ):
            rows.setdefault(name, []).append(cosines(found, truth))
        if exact_of_last is not None:
            control.append(cosine(membranes[0], exact_of_last[0]))
        exact_of_last = exact
    told = {name: _told(found, rows[_yardstick(name)]) for name, found in rows.items()}
    return {**told, "control_largest": round(max(control), 3) if control else None}


def _yardstick(name: str) -> str:
    """The float EP that a row is held against."""
    return (
        name
        if name.startswith("float EP")
        else "float EP" + (" of the rounded network" if name.startswith("against") else "")
    )


def _told(found: list[list[float]], same_beta: list[list[float]]) -> dict[str, Any]:
    passes = [a >= 0.99 or a >= b - 0.002 for a, b in zip(np.ravel(found), np.ravel(same_beta), strict=True)]
    lowest = [round(float(value), 5) for value in np.min(found, axis=0)]
    return {"lowest_by_block": lowest, "blocks_that_pass": int(sum(passes)), "blocks": len(passes)}


def main() -> None:
    """Measure, and print the table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--full", action="store_true", help="10 networks instead of 3, and more settings")
    options = parser.parse_args()
    betas, widths, count = ((0.05, 0.1, 0.2, 0.5), (8, 10), 10) if options.full else ((0.1, 0.2), (8,), 3)
    found: dict[str, Any] = {}
    for size in (0.5, 0.9):
        for bits in widths:
            for beta in betas:
                key = f"lambda {size}, beta {beta}, {bits} bits"
                found[key] = measure(size, beta, count, bits, smooth)
                if not options.json:
                    show(key, found[key])
            key = f"lambda {size}, beta 0.2, {bits} bits, random biases"  # EP itself has no such limit here
            found[key] = measure(size, 0.2, count, bits, cornered)
            if not options.json:
                show(key, found[key])
    if options.json:
        print(json.dumps({"loihi_gradient": found}))


def show(key: str, found: dict[str, Any]) -> None:
    """One setting, a line for each row."""
    print(f"{key}; control at most {found['control_largest']}")
    for name, row in found.items():
        if isinstance(row, dict):
            low = ", ".join(f"{value:.3f}" for value in row["lowest_by_block"])
            print(f"  {name:32s} {low}   {row['blocks_that_pass']} of {row['blocks']}", flush=True)


if __name__ == "__main__":
    main()
