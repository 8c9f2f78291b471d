"""Which code generation target a network runs on; 'auto' weighs the work against the compiler."""

from typing import Any

from mep_neuro.converters.to_brian2.equations import inner_projections
from mep_neuro.converters.to_brian2.standalone.compiler import missing
from mep_neuro.errors import BackendMissingError, UnsupportedError
from mep_neuro.simulation.network import Network

TARGETS = ("numpy", "cython", "cpp_standalone", "auto")
SECONDS_PER_SYNAPSE = 30e-9  # of a step on numpy, both ways: an order of magnitude, not measured here
WORTH_A_BUILD = 20.0  # seconds on numpy from which compiling for 10 s and running in a tenth is shorter


def choose(
    brian2: Any, network: Network, samples: int, target: str, steps: int
) -> tuple[str, tuple[str, ...]]:
    """The target, and what is said about it.

    Args:
        brian2: The module.
        network: The network.
        samples: Presentations at once.
        target: One of `TARGETS`.
        steps: Steps that 'auto' expects.

    Raises:
        UnsupportedError: No target has this name.
        BackendMissingError: It needs a compiler that is not found.
    """
    if target not in TARGETS:
        raise UnsupportedError(
            f"brian2: unknown code generation target '{target}'; use {', '.join(TARGETS[:-1])} or auto"
        )
    if target == "numpy":
        return target, ()
    lacking = missing(brian2)
    if target != "auto":
        if lacking:
            raise BackendMissingError(
                f"brian2: target '{target}' needs a C++ compiler, and {lacking} is not found; install it "
                "(Debian: apt install g++ make), or write target 'numpy'"
            )
        return target, (f"target {target}",)
    synapses = samples * sum(q.synapses.pre.size for q in inner_projections(network))
    work = f"{synapses:,} synapses for about {steps:,} steps"
    if synapses * steps * SECONDS_PER_SYNAPSE < WORTH_A_BUILD:
        return "numpy", (f"target numpy (auto: {work} are not worth a compiler)",)
    if lacking:
        return "numpy", (f"target numpy (auto: {work} are worth a compiler, but {lacking} is not found)",)
    return "cpp_standalone", (f"target cpp_standalone (auto: {work} are worth a compiler)",)
