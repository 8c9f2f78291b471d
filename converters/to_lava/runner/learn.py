"""Learn on the simulated chip: python learn.py TASK.npz OUT.npz [--parent PID]

TASK.npz: weight_1, weight_2, ... (post, pre), integers, of a chain of populations; clamped (samples, inputs)
and target (samples, outputs), even states; and settings as JSON. OUT.npz: outputs at the end of
each free phase, every weight after each epoch, and how far W and its transpose are from each other.
"""

import json
import os
import sys
import tempfile
from typing import Any

import numpy as np
from guard import guarded
from lava_on_python311 import hashable_dataclasses

Array = np.ndarray[Any, Any]
# Steps in which a trace decays: with 0 Lava's traces become NaN, or 0 in fixed point. Not at all in floating
# point, so that x1 is s / 2 to the last bit, and W stays the transpose of its way back.
NEVER = {"fixed": 2**31 - 1, "float": np.inf}
# Tags gather x1 y1 of the nudged phase less x1 y2 of the free one; y3 commits them to the weights and clears
# them. Lava shifts products down by the widths of their factors in fixed point only, x1 y1 by 3 bits and
# t y3 by 5, of which the float neurons' smaller y3 takes care.
TAG = "2^{g} * u0 * x1 * y1 - 2^{g} * u0 * x1 * y2 - 2^-1 * u0 * t * y3"
COMMIT = "2^{c} * u0 * t * y3"
SHIFT = {"fixed": 0, "float": -3}


def main() -> None:
    """Read the task, learn epoch by epoch, write what happened."""
    with np.load(sys.argv[1], allow_pickle=False) as task:
        arrays = {name: task[name] for name in task.files}
    settings = json.loads(str(arrays.pop("settings")))
    out = learn(arrays, settings, int(sys.argv[4]) if "--parent" in sys.argv else 0)
    with open(sys.argv[2] + ".part", "wb") as stream:
        np.savez(stream, **out)  # type: ignore[arg-type]  # numpy types its own flags only
    os.replace(sys.argv[2] + ".part", sys.argv[2])


def learn(arrays: dict[str, Array], settings: dict[str, Any], parent: int) -> dict[str, Array]:
    """Every weight and output after every epoch."""
    with hashable_dataclasses():
        from lava.magma.core.run_conditions import RunSteps
        from lava.magma.core.run_configs import Loihi2SimCfg

    weights = [arrays[f"weight_{i + 1}"] for i in range(sum(name.startswith("weight_") for name in arrays))]
    epochs, steps, samples = settings["epochs"], settings["steps"], arrays["clamped"].shape[0]
    tag = {"fixed": "fixed_pt", "float": "floating_pt"}[settings["precision"]]
    with tempfile.TemporaryDirectory(prefix="mep-neuro-learn-") as folder:
        populations, forward, backward = _processes(arrays, weights, settings, folder)
        outputs, kept = np.zeros((epochs, samples, weights[-1].shape[0])), [[w.copy()] for w in weights]
        asymmetry = np.zeros(epochs)
        with guarded(parent) as watch:
            populations[-1].create_runtime(run_cfg=Loihi2SimCfg(select_tag=tag))
            watch(populations[-1].runtime._messaging_infrastructure.actors)
            for epoch in range(epochs):
                populations[-1].run(condition=RunSteps(num_steps=3 * steps * samples))
                record = np.load(os.path.join(folder, f"{len(weights)}.npy"))
                here = slice(2 * epoch * samples, 2 * (epoch + 1) * samples)
                outputs[epoch] = record[here][::2]
                now = [np.asarray(connection.weights.get()) for connection in forward]
                back = {i: np.asarray(c.weights.get()) for i, c in backward.items()}
                asymmetry[epoch] = max((np.abs(now[i] - w.T).max() for i, w in back.items()), default=0.0)
                for history, weight in zip(kept, now, strict=True):
                    history.append(weight)
                print(f"epoch {epoch + 1} of {epochs}", flush=True)
                if _learned(outputs[epoch], arrays["target"], settings):
                    break
        populations[-1].stop()
    out = {f"weight_{i + 1}": np.array(history) for i, history in enumerate(kept)}
    return out | {"outputs": outputs[: epoch + 1], "asymmetry": asymmetry[: epoch + 1]}


def _learned(output: Array, target: Array, settings: dict[str, Any]) -> bool:
    error = np.mean(np.square((output - target) / settings["s_max"]))
    right = ((output > settings["s_max"] / 2) == (target > settings["s_max"] / 2)).all()
    return bool(right and error < settings["stop_below"])


def _processes(
    arrays: dict[str, Array], weights: list[Array], settings: dict[str, Any], folder: str
) -> tuple[list[Any], list[Any], dict[int, Any]]:
    """Populations, forward connections, and backward ones by the number of the forward one."""
    from learning_neuron import EPLearningNeuron

    sizes = [weights[0].shape[1], *(w.shape[0] for w in weights)]
    presentations = settings["epochs"] * arrays["clamped"].shape[0]
    populations = []
    for i, size in enumerate(sizes):
        record = os.path.join(folder, f"{i}.npy")
        np.save(record, np.zeros((2 * presentations, size)))
        populations.append(
            EPLearningNeuron(
                size=size,
                record=record,
                clamped=arrays["clamped"] if i == 0 else None,
                target=arrays["target"] if i == len(sizes) - 1 else None,
                **{
                    name: settings[name]
                    for name in ("steps", "beta_shift", "dv", "p", "s_max", "third_factor")
                },
            )
        )
    forward, backward = [], {}
    for i, weight in enumerate(weights):
        forward.append(_connection(weight, populations[i], populations[i + 1], settings))
        if i > 0:  # the input is clamped: nothing comes back to it
            backward[i] = _connection(weight.T, populations[i + 1], populations[i], settings)
    return populations, forward, backward


def _connection(weight: Array, pre: Any, post: Any, settings: dict[str, Any]) -> Any:
    with hashable_dataclasses():
        from lava.magma.core.learning.constants import GradedSpikeCfg
        from lava.magma.core.learning.learning_rule import Loihi3FLearningRule
        from lava.proc.dense.process import LearningDense
        from lava.utils.weightutils import SignMode

    never = NEVER[settings["precision"]]
    rule = Loihi3FLearningRule(
        dt=TAG.format(g=settings["tag_exponent"] + SHIFT[settings["precision"]]),
        dw=COMMIT.format(c=settings["commit_exponent"]),
        x1_tau=never,
        x2_tau=never,
        t_epoch=settings["steps"],
        rng_seed=0,
    )
    rule.y1_tau = rule.y2_tau = rule.y3_tau = never
    connection = LearningDense(
        weights=np.ascontiguousarray(weight),
        learning_rule=rule,
        num_message_bits=24,
        graded_spike_cfg=GradedSpikeCfg.ADD_WITH_SATURATION,
        sign_mode=SignMode.MIXED,
    )
    pre.s_out.connect(connection.s_in)
    connection.a_out.connect(post.a_in)
    post.y1_out.connect(connection.s_in_y1)
    post.y2_out.connect(connection.s_in_y2)
    post.y3_out.connect(connection.s_in_y3)
    return connection


if __name__ == "__main__":
    main()
