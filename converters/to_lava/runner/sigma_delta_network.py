"""A bundle of EPSigmaDelta neurons as Lava processes."""

import os
import tempfile
from typing import Any

import numpy as np
from bundle_file import Bundle
from lava_run import Progress, run_processes
from lava_settings import SIMULATION, run_configuration, sparse
from parts import NO_WEIGHTS, pairs, parts, synapses

Ints = np.ndarray[Any, Any]
TRACED = ("s", "v", "sigma", "messages")


def simulate(
    bundle: Bundle,
    bias: Ints,
    steps: int,
    trace: tuple[str, ...] = (),
    progress: Progress | None = None,
    parent: int = 0,
    *,
    layout: str = "merged",
    precision: str = "fixed",
    run_config: str = SIMULATION,
    limit: float = 0.0,
) -> dict[str, Ints]:
    """Run every sample for `steps` steps, from rest.

    The samples are copies of the network in one population. Merged, these are two processes; more
    processes cost 0.2 ms per step each.

    Args:
        bundle: The network.
        bias: Integers, shape (samples, units).
        steps: Time steps.
        trace: Which of `TRACED` to return at every step, as well.
        progress: Called with (steps done, steps).
        parent: Process id of whoever started this one, whose end ends the run; 0 for nobody's.
        layout: 'merged', or 'separate': a process for each population.
        precision: 'fixed', or 'float': the same weights and biases without any rounding of the state.
        run_config: Lava's run configuration, by name.
        limit: Seconds after which the run is ended; 0 for no limit.

    Returns:
        The last s, v, sigma and messages, shape (samples, units), int32 or, in float, float64; and, as
        'trace_s' and so on, what was asked for, shape (steps, samples, units).
    """
    samples, units = bias.shape
    kind: Any = np.int32 if precision == "fixed" else np.float64
    with tempfile.TemporaryDirectory(prefix="mep-neuro-lava-") as folder:
        rows = {name: steps if name in trace else 1 for name in TRACED}
        files = {name: os.path.join(folder, name + ".npy") for name in TRACED}
        for name, file in files.items():
            np.save(file, np.zeros((rows[name], samples * units), dtype=kind))
        first = _processes(bundle, bias, files, layout, precision)
        configuration = run_configuration(run_config, precision)
        run_processes(first, configuration, [steps], progress=progress, parent=parent, limit=limit)
        recorded = {n: np.load(f).reshape(rows[n], samples, units) for n, f in files.items()}
    states = {name: values[-1] for name, values in recorded.items()}
    return {**states, **{"trace_" + name: recorded[name] for name in trace}}


def _processes(bundle: Bundle, bias: Ints, files: dict[str, str], layout: str, precision: str) -> Any:
    """The connected network; returns one of its processes."""
    from ep_sigma_delta import EPSigmaDelta

    (samples, units), registers = bias.shape, dict(bundle.manifest["registers"])
    if precision == "float":
        registers["v_threshold"] = 0  # every change is sent: nothing of the state is rounded
    every = parts(bundle, layout)
    populations = {
        part: EPSigmaDelta(
            bias=part.of(bias),
            traces=files,
            columns=part.columns(samples, units),
            name=part.name,
            **registers,
        )
        for part in every
    }
    settings = bundle.manifest["synapses"]
    for post, pre in pairs(every):
        found = list(synapses(bundle, samples, post, pre, real=precision == "float"))
        if not found and layout == "merged":
            found = [(0, NO_WEIGHTS)]
        for exponent, weights in found:
            shape = (samples * post.size, samples * pre.size)
            connection = sparse(weights, shape, {**settings, "weight_exp": exponent})
            populations[pre].s_out.connect(connection.s_in)
            connection.a_out.connect(populations[post].a_in)
    return populations[every[0]]
