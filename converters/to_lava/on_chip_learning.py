"""Equilibrium Propagation on the simulated chip: Lava's own three-factor rule moves the weights.

Each synapse keeps the contrast in its tag: it adds s_pre s_post of the nudged phase and takes that of the
free phase away; a third factor, sent by the post-synaptic neuron, commits the tag to the weight. W and its
transpose are two connections that see the same factors, and stay identical. The host only presents samples.
"""

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_lava.environment import RUNNER, require
from mep_neuro.converters.to_lava.launch import clean_environment, launch
from mep_neuro.errors import BackendFailedError, ChipRangeError

Array = NDArray[np.float64]
STATE_BITS, LEAK_SHIFT, WEIGHT_EXPONENT = 8, 2, 7
S_MAX = 254  # even, as the learning rule sees s / 2; it stands for the rate 1 but for a 128th
MEMBRANE_SHIFT = WEIGHT_EXPONENT + LEAK_SHIFT  # bits of the membrane below one step of the state
TAG_EXPONENT = -3  # of x1 y1: one phase alone fills the 8 bits of a tag
LEARNING_EPOCH = 40  # steps of a phase; Loihi's learning epoch has 6 bits


@dataclass(frozen=True, eq=False)
class OnChipLearning:
    """What the simulated chip has learned.

    Attributes:
        epochs: Epochs run.
        learned: Whether all outputs were on the right side of 1/2, with a mean squared error below the limit.
        error: Mean squared error of the outputs at the end of the free phases of each epoch, shape (epochs,).
        outputs: Those outputs as rates, shape (epochs, samples, outputs).
        weights: Weights before the first and after each epoch, shape (epochs + 1, post, pre) each.
        asymmetry: Largest difference between W and its transpose over all epochs, in integer weights.
    """

    epochs: int
    learned: bool
    error: Array
    outputs: Array
    weights: tuple[Array, ...]
    asymmetry: float


def learn_on_chip(
    weights: tuple[Array, ...],
    inputs: Array,
    targets: Array,
    *,
    precision: str = "fixed",
    epochs: int = 40,
    learning_rate: float = 0.125,
    stop_below: float = 0.05,
    third_factor: bool = True,
    time_limit: float = 600.0,
    progress: Callable[[int, int], None] | None = None,
) -> OnChipLearning:
    """Train a chain of populations by EP inside Lava, one sample after the other, with beta = 1.

    Args:
        weights: First weights of each projection, (post, pre), dimensionless, within +-254/128.
        inputs: Rates of the clamped population, shape (samples, n), 0 to 1.
        targets: Rates that the last population is nudged to, shape (samples, n), 0 to 1.
        precision: 'fixed' or 'float': which of Lava's process models, of neurons and of learning.
        epochs: Most passes through the samples.
        learning_rate: Of the contrast at beta 1; a power of two, 2^-7 to 1.
        stop_below: Mean squared error that ends the training, once every output is right.
        third_factor: Whether the neurons commit; without it the tags gather and no weight moves: a control.
        time_limit: Seconds after which Lava is stopped.
        progress: Called with (epochs done, epochs).

    Raises:
        ChipRangeError: A weight or a rate does not fit, or the learning rate is no power of two.
        BackendMissingError: Lava's environment is not installed.
        BackendFailedError: Lava failed, or took too long.
    """
    environment = require()
    task = _task(weights, inputs, targets, precision, epochs, learning_rate, stop_below, third_factor)
    with tempfile.TemporaryDirectory(prefix="mep-neuro-learn-", dir="/tmp") as name:
        folder, script = Path(name), RUNNER / "learn.py"
        np.savez(folder / "task.npz", allow_pickle=False, **task)
        command = [str(environment.python), str(script)]
        command += [str(folder / "task.npz"), str(folder / "out.npz"), "--parent", str(os.getpid())]
        launch(
            command,
            name="lava",
            advice="give fewer epochs or a longer time limit, or see the cause in the lines below",
            log=folder / "log.txt",
            time_limit=time_limit,
            environment=clean_environment(TMPDIR=name, OMP_NUM_THREADS="1"),
            on_line=None if progress is None else _reporter(progress),
        )
        try:
            with np.load(folder / "out.npz", allow_pickle=False) as out:
                return _read({key: out[key] for key in out.files}, task["target"], stop_below)
        except (OSError, KeyError, ValueError) as error:
            raise BackendFailedError(f"lava: it ended without a result ({error}); run it again") from error


def _task(
    weights: tuple[Array, ...],
    inputs: Array,
    targets: Array,
    precision: str,
    epochs: int,
    learning_rate: float,
    stop_below: float,
    third_factor: bool,
) -> dict[str, NDArray[np.generic]]:
    exponent = np.log2(learning_rate)
    if exponent != np.rint(exponent) or not -7 <= exponent <= 0:
        raise ChipRangeError(f"learning_rate: {learning_rate} is no power of two from 2^-7 to 1; give 0.125")
    integers = [(2 * np.rint(w * 2.0 ** (WEIGHT_EXPONENT - 1))).astype(np.int32) for w in weights]
    largest = max(int(np.abs(w).max(initial=0)) for w in integers)
    if largest > 254:
        raise ChipRangeError(
            f"weights: {largest / 2**WEIGHT_EXPONENT:.4g} is beyond the {254 / 2**WEIGHT_EXPONENT:.4g} of an "
            "8-bit weight; lower them"
        )
    if min(inputs.min(), targets.min()) < 0 or max(inputs.max(), targets.max()) > 1:
        raise ChipRangeError("inputs, targets: rates lie between 0 and 1; scale them")
    settings = {
        "precision": precision,
        "epochs": epochs,
        "steps": LEARNING_EPOCH,
        "beta_shift": WEIGHT_EXPONENT,  # a rate of 1 is 2^(E + B) of sigma
        "dv": 4096 >> LEAK_SHIFT,
        "p": MEMBRANE_SHIFT,
        "s_max": S_MAX,
        "stop_below": stop_below,
        "third_factor": third_factor,
        "tag_exponent": TAG_EXPONENT,
        # A tag of 1 is 2^6 of s_pre s_post / 4, or 2^8 / 2^16 of the product of two rates: dW = 2^(c - 3 + 5)
        # of an integer weight for each, that is a learning rate of 2^(c + 2).
        "commit_exponent": int(exponent) - 2,
    }
    states = {"clamped": inputs, "target": targets}
    return {
        **{f"weight_{i + 1}": w for i, w in enumerate(integers)},
        **{name: (2 * np.rint(rates * (S_MAX // 2))).astype(np.int32) for name, rates in states.items()},
        "settings": np.array(json.dumps(settings)),
    }


def _read(
    out: dict[str, NDArray[np.floating]], target: NDArray[np.generic], stop_below: float
) -> OnChipLearning:
    outputs = out["outputs"] / S_MAX
    wanted = np.asarray(target, dtype=np.float64) / S_MAX
    error = np.square(outputs - wanted).mean(axis=(1, 2))
    right = bool(((outputs[-1] > 0.5) == (wanted > 0.5)).all())
    names = sorted(name for name in out if name.startswith("weight_"))
    return OnChipLearning(
        epochs=outputs.shape[0],
        learned=right and bool(error[-1] < stop_below),
        error=error,
        outputs=outputs,
        weights=tuple(np.asarray(out[name], dtype=np.float64) / 2.0**WEIGHT_EXPONENT for name in names),
        asymmetry=float(out["asymmetry"].max()),
    )


def _reporter(progress: Callable[[int, int], None]) -> Callable[[str], None]:
    def report(line: str) -> None:
        words = line.split()
        if len(words) == 4 and words[0] == "epoch":
            progress(int(words[1]), int(words[3]))

    return report
