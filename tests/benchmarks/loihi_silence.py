"""What holds of a silent chip: exact sums, each unit's own rounded equation, and how far the fixed point is.

Layers of 30, 30 and 10 units, scaled to a largest eigenvalue lambda of their coupled map, with random inputs;
8-bit weights and states. `loihi_exact` shows that these integers are Lava's. A step of the state is 1 LSB.

The control is Lava's stock SigmaDelta process on the same networks, in real Lava: s <- clip(W s + b) by pairs
relu(x) - relu(x - 1). It drops the low bits of every message, so that what receivers hold drifts away.

Usage: python tests/benchmarks/loihi_silence.py [--json] [--full]
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from loihi_networks import layered, scaled
from numpy.typing import NDArray

from mep_neuro.chip.emulate import emulate, fixed_point_error
from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import quantize
from mep_neuro.chip.quantized import Quantized
from mep_neuro.converters.to_lava.environment import RUNNER, require
from mep_neuro.converters.to_lava.launch import clean_environment, launch
from mep_neuro.simulation.stimulus import present

Array = NDArray[np.float64]
SIZES = (10, 30, 30, 10)
STATE_EXP, STOCK_STEPS = 7, 1500


def quantized_fixed_point(q: Quantized, bias: NDArray[np.int32]) -> Array:
    """Fixed point of the integer weights and biases in real numbers, in LSB; damped iteration to 1e-10."""
    scale = 2.0 ** (q.leak_shift - q.p)
    weight, s = q.weight.toarray() * scale, np.zeros(bias.shape)
    for _ in range(20_000):
        new = 0.5 * s + 0.5 * np.clip(s @ weight.T + bias * scale, 0, q.s_max)
        if np.abs(new - s).max() < 1e-10:
            return new
        s = new
    raise RuntimeError("the quantized network has no stable fixed point")


def silent(largest: float, networks: int, samples: int) -> dict[str, Any]:
    runs = settled = sums = late = 0
    own, distance = [], []
    for seed in range(networks):
        network = scaled(layered(seed, SIZES), largest)
        q = quantize(network, read_profile("loihi2"))
        stimulus = present(network, np.random.default_rng(seed).random((samples, SIZES[0])))
        bias = q.bias(stimulus)
        done = emulate(q, bias)
        here = done.settled
        after = emulate(
            q,
            bias[here],
            start=type(done.state)(*(getattr(done, name)[here] for name in ("v", "s", "sigma", "m"))),
            steps=20,
            trace=True,
        )
        late += int(np.count_nonzero(after.messages))
        runs, settled = runs + here.size, settled + int(here.sum())
        expected = (q.weight.astype(np.int64) @ done.s.T).T
        sums += int(np.count_nonzero(done.sigma[here] != expected[here]))
        own.append(fixed_point_error(q, bias, done.s)[here])
        distance.append(np.abs(done.s - quantized_fixed_point(q, bias)).max(axis=1)[here])
    return {
        "runs": runs,
        "settled_exactly": settled / runs,
        "messages_after_silence": late,
        "sums_that_differ_from_weight_times_s": sums,
        "own_equation_lsb": float(np.concatenate(own).max()),
        "fixed_point_lsb": {"median": float(np.median(np.concatenate(distance))),
                            "max": float(np.concatenate(distance).max())},
    }  # fmt: skip


def stock(largest: float, networks: int) -> dict[str, Any]:
    """The control: one input of each network in Lava's SigmaDelta."""
    nets, points, arrays = [], [], {}
    profile = read_profile(
        "loihi2"
    )  # without synapse exponents: there is one Dense process, and one exponent
    one = profile.weight_exponent_low.model_copy(update={"value": None})
    profile = profile.model_copy(update={"weight_exponent_low": one})
    for seed in range(networks):
        network = scaled(layered(seed, SIZES), largest)
        q = quantize(network, profile, weight_exponent=STATE_EXP)
        bias = q.bias(present(network, np.random.default_rng(seed).random((1, SIZES[0]))))
        states = np.rint(bias[0] * 2.0 ** (q.leak_shift - q.p)).astype(np.int32)  # its biases are whole LSB
        points.append(quantized_fixed_point(q, (states << (q.p - q.leak_shift))[None])[0])
        weight = q.weight.toarray().astype(np.int32)
        nets.append(np.block([[weight, -weight], [weight, -weight]]))
        arrays[f"{seed}_weight"] = nets[-1]
        arrays[f"{seed}_bias"] = np.concatenate([states, states - q.s_max]).astype(np.int32)
        arrays[f"{seed}_parameters"] = np.array([1, 0, STATE_EXP, 0])
    sums, distance = 0, []
    with tempfile.TemporaryDirectory(prefix="mep-stock-", dir="/tmp") as name:
        folder, script = Path(name), Path(__file__).parent / "lava_scripts" / "stock_sigma_delta.py"
        np.savez(folder / "nets.npz", allow_pickle=False, **arrays)
        command = [require().python, script, RUNNER, folder / "nets.npz", folder / "out.npz", STOCK_STEPS]
        launch(
            [*map(str, command)],
            name="lava",
            advice="see the cause below",
            log=folder / "log.txt",
            time_limit=60.0 + 30.0 * networks,
            environment=clean_environment(TMPDIR=name, OMP_NUM_THREADS="1"),
        )
        with np.load(folder / "out.npz") as out:
            for seed in range(networks):
                act, sigma = (out[f"{seed}_{key}"].astype(np.int64) for key in ("act", "sigma"))
                half = act.size // 2
                sums += int(np.count_nonzero(sigma != nets[seed] @ (act >> STATE_EXP)))
                s = (act[:half] - act[half:]) / 2.0**STATE_EXP
                distance.append(float(np.abs(s - points[seed]).max()))
    return {
        "networks": networks,
        "sums_that_differ_from_weight_times_s": sums,
        "fixed_point_lsb": {"median": float(np.median(distance)), "max": max(distance)},
    }


def main() -> None:
    """Measure, and print the table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--full", action="store_true", help="20 networks of 20 inputs, 10 in the control")
    options = parser.parse_args()
    networks, samples, controls = (20, 20, 10) if options.full else (4, 10, 2)
    found = {
        "EPSigmaDelta": {str(size): silent(size, networks, samples) for size in (0.5, 0.9)},
        "stock SigmaDelta": {str(size): stock(size, controls) for size in (0.5, 0.9)},
    }
    print(json.dumps(found) if options.json else json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
