"""XOR learned on the simulated chip: Lava's three-factor rule, in floating and in fixed point.

Three inputs (the third is always 1), 16 hidden units, one output; beta 1, learning rate 2^-3, samples one
after the other, first weights uniform in +-1 and +-0.3. Learned: every output on the right side of 1/2 and a
mean squared error below 0.05. The settings were chosen by a float64 simulation of the rule over 8 seeds.
The control keeps the third factor back: the tags gather the same contrasts, and no weight moves.

Usage: python tests/benchmarks/loihi_learning.py [--json] [--seeds N] [--full]
"""

import argparse
import json
import sys

import numpy as np

from mep_neuro.converters.to_lava.on_chip_learning import OnChipLearning, learn_on_chip

INPUTS = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=float)
TARGETS = np.array([[0.0], [1.0], [1.0], [0.0]])
EPOCHS = 40


def learn(seed: int, precision: str, *, third_factor: bool = True, epochs: int = EPOCHS) -> OnChipLearning:
    """One training, from the seed's own weights."""
    rng = np.random.default_rng(seed)
    weights = (rng.uniform(-1, 1, (16, 3)), rng.uniform(-0.3, 0.3, (1, 16)))
    return learn_on_chip(
        weights, INPUTS, TARGETS, precision=precision, epochs=epochs, third_factor=third_factor
    )


def main() -> None:
    """Train, and print the table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seeds", type=int, default=0, metavar="N", help="seeds 0 to N - 1 (default 1)")
    parser.add_argument("--full", action="store_true", help="three seeds")
    options = parser.parse_args()
    seeds = range(options.seeds or (3 if options.full else 1))
    epochs: dict[str, list[int | None]] = {}
    asymmetry: dict[str, float] = {}
    first: dict[str, list[float]] = {}
    for precision in ("float", "fixed"):
        runs = []
        for seed in seeds:
            runs.append(learn(seed, precision))
            print(
                f"{precision}, seed {seed}: {runs[-1].error.round(3).tolist()}", file=sys.stderr, flush=True
            )
        epochs[precision] = [run.epochs if run.learned else None for run in runs]
        first[precision] = [float(run.error[0]) for run in runs]
        asymmetry[precision] = max(run.asymmetry for run in runs)
    control = learn(0, "fixed", third_factor=False, epochs=3)
    moved = max(float(np.abs(w[-1] - w[0]).max()) for w in control.weights)
    found = {
        "epochs": epochs,
        "first_error": first,
        "largest_asymmetry_in_integer_weights": asymmetry,
        "control_without_third_factor": {"learned": control.learned, "largest_weight_change": moved},
    }
    if options.json:
        print(json.dumps(found))
        return
    for key, value in found.items():
        print(f"{key}: {value}")


if __name__ == "__main__":
    main()
