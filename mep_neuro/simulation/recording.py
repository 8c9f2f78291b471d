"""What a back end reports of a settled network."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Widths(TypedDict, total=False):
    """How wide a chip's integers are, where not as usual; see `mep_neuro.chip.quantize.quantize`."""

    weight_bits: int
    state_bits: int
    threshold: int


def widths(weight_bits: int | None, state_bits: int | None, threshold: int | None) -> Widths:
    """Those that were given."""
    given: Widths = {}
    if weight_bits is not None:
        given["weight_bits"] = weight_bits
    if state_bits is not None:
        given["state_bits"] = state_bits
    if threshold is not None:
        given["threshold"] = threshold
    return given


@dataclass(frozen=True)
class RunOptions:
    """How a back end settles a batch of presentations.

    Attributes:
        tolerance: Largest |s - rho(current)| of a settled sample; integer back ends settle exactly.
        max_steps: Steps after which a settle gives up.
        trace: Whether to record the rates at every step; of spiking neurons spikes and membranes.
        chip: Chip profile of the back ends that need one.
        neuron: Neuron model of the chip's back ends: 'sigma_delta' (EPSigmaDelta) or 'lif'; without, that
            of the file where it is one of them, or else EPSigmaDelta.
        widths: Of the chip's integers, where they are not the usual ones.
        populations: How Lava runs them: 'merged' into one process, or 'separate'.
        time_limit: Seconds after which a back end in a process of its own is stopped.
        progress: Called with (done, total) of the back end's own steps.
        target: Code generation target of Brian2: numpy, cython, cpp_standalone, or auto.
    """

    tolerance: float = 1e-11
    max_steps: int = 20_000
    trace: bool = False
    chip: str = "loihi2"
    neuron: str | None = None
    widths: Widths = field(default_factory=Widths)
    populations: str = "merged"
    time_limit: float = 600.0
    progress: Callable[[int, int], None] | None = None
    target: str = "auto"


@dataclass(frozen=True)
class Recording:
    """A batch of presentations at the end of the free phase.

    Attributes:
        backend: Name of the back end, such as 'brian2'.
        rates: Rates s of every population but the input, shape (samples, n) each.
        steps: Time steps or sweeps each sample took, shape (samples,).
        settled: Whether each sample met the back end's own criterion, shape (samples,).
        seconds: Wall-clock time of the run, set-up included.
        residual_curve: Largest |s - rho(current)| over units at each step, shape (steps, samples), or None.
        trace: Rates at each step, shape (steps, samples, n) each; empty unless asked for.
        spikes: What each unit sent in each slot, spikes of 1 or graded messages, shape (slots, samples, n)
            each; empty unless asked for by `trace`, and of rate neurons.
        membranes: Membrane after each slot, same shapes; empty as `spikes`.
        counts: Counted costs, such as messages per unit; empty where there are none.
        notes: What a user should know of this run, in sentences.
    """

    backend: str
    rates: Mapping[str, Array]
    steps: NDArray[np.int64]
    settled: NDArray[np.bool_]
    seconds: float
    residual_curve: Array | None = None
    trace: Mapping[str, Array] = field(default_factory=dict)
    spikes: Mapping[str, Array] = field(default_factory=dict)
    membranes: Mapping[str, Array] = field(default_factory=dict)
    counts: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
