"""The back end 'loihi-emulator': quantize, emulate until silent, read the rates back."""

from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from mep_neuro.chip.emulate import EmulatedRun, Int32, emulate
from mep_neuro.chip.lif.backend import run_lif
from mep_neuro.chip.neuron_models import check_widths, neuron_model_of
from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import Quantized, quantize
from mep_neuro.simulation.currents import currents
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.readout import with_readout
from mep_neuro.simulation.recording import Recording, RunOptions
from mep_neuro.simulation.stimulus import Stimulus, present

Array = NDArray[np.float64]

CURVE_STEPS = 400  # most networks are silent well before (measured: 60 to 110 steps on the digits)


def run(network: Network, features: NDArray[np.floating], options: RunOptions) -> Recording:
    """Settle a network in the integers of a chip.

    Args:
        network: The float network.
        features: Shape (samples, n_input), as the data set gives them.
        options: `chip` names the profile, `neuron` the model, `widths` its integers; `max_steps` ends
            samples that never fall silent; `tolerance` has no effect, as a settled sample does not
            change at all.

    Returns:
        Rates S / 2^B. `residual_curve` is the largest |s - rho(current)| of the float network's
        equation, at the emulated state after each of the first 400 steps; it does not fall to 0,
        its rest is the error of quantization. Settled samples keep their last value.

    Raises:
        ChipProfileError: The chip is unknown.
        UnsupportedError: The network has units that EPSigmaDelta cannot express.
        ChipRangeError: A number does not fit the chip.
        StimulusError: The features do not fit the network.
    """
    neuron = neuron_model_of(network, options.neuron)
    check_widths(options.widths, neuron)
    if neuron == "lif":
        return run_lif(network, features, options)
    began = perf_counter()
    quantized = quantize(network, read_profile(options.chip), **options.widths)
    stimulus = present(network, features)
    watch = _Watch(quantized, stimulus, options)
    done = emulate(
        quantized,
        quantized.bias(stimulus),
        max_steps=options.max_steps,
        trace=options.trace,
        observe=watch.step,
    )
    watch.finish()
    return Recording(
        backend="loihi-emulator",
        rates=with_readout(network, quantized.rates(done.s)),
        steps=done.steps,
        settled=done.settled,
        seconds=perf_counter() - began,
        residual_curve=watch.curve(),
        trace={} if done.trace is None else quantized.rates(done.trace.s),
        counts=_counts(quantized, done),
        notes=_notes(quantized, done),
    )


class _Watch:
    """Follows an emulation: the residual of the float equation, and the progress."""

    def __init__(self, quantized: Quantized, stimulus: Stimulus, options: RunOptions) -> None:
        self._operator = currents(quantized.network)
        self._drive = self._operator.join(stimulus.drive)
        self._s_max, self._progress = quantized.s_max, options.progress
        self._residual = np.zeros(stimulus.samples)
        self._curve: list[Array] = []

    def step(self, step: int, rows: NDArray[np.intp], s: Int32) -> None:
        """Take one step's states of the samples that still run."""
        if step <= CURVE_STEPS:
            self._residual[rows] = self._operator.residual(self._drive[rows], s / self._s_max)
            self._curve.append(self._residual.copy())
        if self._progress is not None:
            total = self._residual.size
            self._progress(total - rows.size, total)

    def finish(self) -> None:
        """Report the last sample as done."""
        if self._progress is not None:
            self._progress(self._residual.size, self._residual.size)

    def curve(self) -> Array:
        """Shape (steps, samples)."""
        return np.array(self._curve).reshape(len(self._curve), self._residual.size)


def _counts(quantized: Quantized, done: EmulatedRun) -> dict[str, float]:
    """Means over the samples; a message causes one synaptic event at each synapse of its unit."""
    if done.steps.size == 0:
        return {}
    fan_out = np.bincount(quantized.weight.indices, minlength=quantized.size)
    return {
        "messages_per_unit": float(done.messages.mean()),
        "synaptic_events_per_sample": float((done.messages @ fan_out).mean()),
    }


def _notes(quantized: Quantized, done: EmulatedRun) -> tuple[str, ...]:
    finest = quantized.weight_exponent - int(quantized.synapse_exponents.min(initial=0))
    scale = f"2^-{quantized.weight_exponent}" + (
        f" to 2^-{finest}" if finest > quantized.weight_exponent else ""
    )
    notes = [
        f"{quantized.weight_bits}-bit weights at the scale {scale}, "
        f"{quantized.state_bits}-bit states, leak 2^-{quantized.leak_shift} a step; steps are not tau_mem",
        "input currents are computed on the host and enter as biases",
    ]
    if not quantized.network.output.dynamic:
        notes.append("the softmax read-out is computed on the host")
    if quantized.limited_by in ("membrane", "sum"):
        largest = int(np.abs(quantized.held).max(initial=0))
        notes.append(
            f"the {quantized.limited_by} register fixed the scale: the largest weight is {largest} "
            f"of {quantized.profile.number('weight_high')}"
        )
    moving = int((~done.settled).sum())
    if moving:
        notes.append(
            f"{moving} of {done.settled.size} samples were not silent after {int(done.steps.max())} steps"
        )
    return tuple(notes)
