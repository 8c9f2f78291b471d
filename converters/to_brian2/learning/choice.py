"""Which code generation target a training runs on; 'auto' weighs its work against the compiler."""

from typing import Any

from mep_neuro.converters.to_brian2.choice import choose
from mep_neuro.converters.to_brian2.standalone.compiler import missing
from mep_neuro.simulation.network import Network

SECONDS_PER_OBJECT = 25e-6  # of a step on numpy: each group is one, each projection two
SECONDS_PER_SYNAPSE = 30e-9
WORTH_A_BUILD = 40.0  # seconds on numpy: a program takes 15 s to compile, and runs in a hundredth


def choose_for_training(
    brian2: Any, network: Network, steps: int, target: str
) -> tuple[str, tuple[str, ...]]:
    """The target, and what is said about it.

    Args:
        brian2: The module.
        network: The network.
        steps: Steps of the whole training.
        target: 'numpy', 'cython', 'cpp_standalone' or 'auto'.

    Raises:
        UnsupportedError: No target has this name.
        BackendMissingError: It needs a compiler that is not found.
    """
    if target != "auto":
        chosen: tuple[str, tuple[str, ...]] = choose(brian2, network, 1, target, steps)
        return chosen
    objects = len(network.dynamic) + 2 * len(network.projections)
    synapses = sum(q.synapses.pre.size for q in network.projections.values())
    seconds = steps * (objects * SECONDS_PER_OBJECT + synapses * SECONDS_PER_SYNAPSE)
    work = f"{steps:,} steps, about {seconds:.0f} s on numpy,"
    if seconds < WORTH_A_BUILD:
        return "numpy", (f"target numpy (auto: {work} are not worth a compiler)",)
    lacking = missing(brian2)
    if lacking:
        return "numpy", (f"target numpy (auto: {work} are worth a compiler, but {lacking} is not found)",)
    return "cpp_standalone", (f"target cpp_standalone (auto: {work} are worth a compiler)",)
