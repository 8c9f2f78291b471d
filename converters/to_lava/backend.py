"""The back end 'lava': real Lava processes, compared with the emulator at every step; and the export."""

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from mep_neuro.chip.emulate import EmulatedRun, emulate
from mep_neuro.chip.neuron_models import check_layout, check_widths, neuron_model_of
from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import Quantized, quantize
from mep_neuro.converters.to_lava.bundle import read_bundle, write_bundle
from mep_neuro.converters.to_lava.bundle_sigma_delta import sigma_delta_content
from mep_neuro.converters.to_lava.environment import require
from mep_neuro.converters.to_lava.lif_backend import lif_bundle, run_lif
from mep_neuro.converters.to_lava.report import sigma_delta_report
from mep_neuro.converters.to_lava.runner.bundle_file import Bundle
from mep_neuro.converters.to_lava.session import LavaTrace, part_of_progress, run_session
from mep_neuro.errors import StimulusError
from mep_neuro.neurons.sigma_delta import SigmaDeltaState
from mep_neuro.simulation.conversion import ConversionReport
from mep_neuro.simulation.currents import currents
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.readout import with_readout
from mep_neuro.simulation.recording import Recording, RunOptions
from mep_neuro.simulation.stimulus import present

Array = NDArray[np.float64]

SILENT_STEPS = 5  # after the last sample has settled: Lava must stay silent there
CURVE_STEPS = 400  # as the emulator's curve
UNSETTLED_STEPS = 1000  # where the emulator says that nothing settles; 72 to 240 are usual
SESSION_ELEMENTS = 8_000_000  # units x samples x steps of one Lava session: 32 MB for each register
GOLDEN_SAMPLES = 3
GOLDEN_STEPS = 1000  # at most, in an exported bundle


@dataclass(frozen=True, eq=False)
class Converted:
    """An exported network.

    Attributes:
        path: Folder of the bundle.
        bundle: What was written, read back and checked.
        report: What it keeps of the network.
    """

    path: Path
    bundle: Bundle
    report: ConversionReport


def convert(
    network: Network,
    path: Path | str,
    *,
    features: NDArray[np.floating] | None = None,
    chip: str = "loihi2",
    neuron: str | None = None,
    populations: str = "merged",
) -> Converted:
    """Export a network as a bundle that numpy and Lava can run; Lava itself is not needed for it.

    Args:
        network: The network.
        path: Folder to make; an older bundle there is replaced.
        features: Inputs of the golden run, shape (samples, n_input), at most three are used; random
            numbers between 0 and 1 without.
        chip: Chip profile.
        neuron: 'sigma_delta' (EPSigmaDelta, which is simulated until someone writes its microcode), or
            'lif': Lava's stock processes alone; without, that of the file, or else EPSigmaDelta.
        populations: How the bundle is run unless told otherwise: 'merged' into one process, or 'separate'.

    Raises:
        UnsupportedError: The network has units that the neuron cannot express.
        ChipRangeError: A number does not fit the chip.
        BundleError: The folder cannot be written.
    """
    neuron = neuron_model_of(network, neuron)
    check_layout(populations)
    if features is None:
        features = np.random.default_rng(0).random((GOLDEN_SAMPLES, network.input.size))
    stimulus = present(network, features[:GOLDEN_SAMPLES])
    if neuron == "lif":
        report = lif_bundle(network, stimulus, Path(path), chip, populations)
        return Converted(Path(path), read_bundle(Path(path)), report)
    quantized = quantize(network, read_profile(chip))
    bias = quantized.bias(stimulus)
    steps = _steps(emulate(quantized, bias, max_steps=GOLDEN_STEPS))
    write_bundle(quantized, sigma_delta_content(quantized, bias, steps), Path(path), populations)
    return Converted(Path(path), read_bundle(Path(path)), sigma_delta_report(quantized))


def run(network: Network, features: NDArray[np.floating], options: RunOptions) -> Recording:
    """Settle a network in real Lava processes, and compare every register at every step.

    Args:
        network: The float network.
        features: Shape (samples, n_input), as the data set gives them.
        options: `chip`, `neuron`, `widths`, `populations`, `max_steps`, `time_limit`, `trace` and
            `progress` count here.

    Returns:
        Rates of Lava's own states. `counts['lava_mismatches']` is in how many places s, v or sigma
        differ from the emulator's, over all steps, samples and units; 0 is expected.

    Raises:
        BackendMissingError: Lava's private environment is not installed.
        BackendFailedError: Lava failed or took longer than the limit.
        UnsupportedError: The network has units that EPSigmaDelta cannot express.
        ChipRangeError: A number does not fit the chip.
        StimulusError: The features do not fit the network.
    """
    neuron = neuron_model_of(network, options.neuron)
    check_widths(options.widths, neuron)
    check_layout(options.populations)
    began = perf_counter()
    require()
    if neuron == "lif":
        recording: Recording = run_lif(network, features, options)
        return recording
    quantized = quantize(network, read_profile(options.chip), **options.widths)
    stimulus = present(network, features)
    if stimulus.samples == 0:
        raise StimulusError("lava: 0 samples; give at least 1")
    bias = quantized.bias(stimulus)
    expected = emulate(quantized, bias, max_steps=options.max_steps)
    steps = _steps(expected)
    operator, parts = currents(network), []
    drive = operator.join(stimulus.drive)
    for rows in _sessions(bias.shape, steps):
        left = max(0.0, options.time_limit - (perf_counter() - began))
        report = part_of_progress(options, bias.shape[0], rows)
        lava = run_session(
            quantized,
            bias[rows],
            steps,
            time_limit=left,
            populations=options.populations,
            progress=report,
        )
        emulated = emulate(quantized, bias[rows], steps=steps, trace=True).trace
        curve = [operator.residual(drive[rows], s / quantized.s_max) for s in lava.s[:CURVE_STEPS]]
        parts.append(_Part(lava, count_mismatches(lava, emulated), np.array(curve), options.trace))
    return _recording(quantized, parts, expected, options, perf_counter() - began)


def count_mismatches(lava: LavaTrace, emulated: SigmaDeltaState | None) -> int:
    """Places where a register of Lava's differs from the emulator's."""
    if emulated is None:
        raise ValueError("the emulator returned no trace")
    pairs = ((lava.s, emulated.s), (lava.v, emulated.v), (lava.sigma, emulated.sigma))
    return sum(int(np.count_nonzero(own != other)) for own, other in pairs)


class _Part:
    """What is kept of one session."""

    def __init__(self, lava: LavaTrace, mismatches: int, curve: Array, trace: bool) -> None:
        """Take the session's registers, and how they compare."""
        before = np.concatenate([np.zeros_like(lava.v[:1]), lava.v[:-1]])
        moving = ((lava.messages != 0) | (lava.v != before)).any(axis=2)
        total = moving.shape[0]
        last = total - np.argmax(moving[::-1], axis=0)  # number of the last step that changed something
        self.steps = np.where(moving.any(axis=0), np.minimum(last + 1, total), 1)
        self.settled = ~moving[-SILENT_STEPS:].any(axis=0)
        self.messages = np.count_nonzero(lava.messages, axis=0)
        self.s, self.mismatches, self.curve = lava.s[-1].copy(), mismatches, curve
        self.trace = lava.s.copy() if trace else None


def _steps(expected: EmulatedRun) -> int:
    """Steps that Lava is run for: those of the slowest sample that settles, and some silent ones."""
    settling = expected.steps[expected.settled]
    if settling.size == 0:
        return int(min(expected.steps.max(initial=1), UNSETTLED_STEPS)) + SILENT_STEPS
    return int(settling.max()) + SILENT_STEPS


def _sessions(shape: tuple[int, ...], steps: int) -> list[slice]:
    size = max(1, SESSION_ELEMENTS // max(1, shape[1] * steps))
    return [slice(start, min(start + size, shape[0])) for start in range(0, shape[0], size)]


def _recording(
    quantized: Quantized, parts: list[_Part], expected: EmulatedRun, options: RunOptions, seconds: float
) -> Recording:
    rates = quantized.rates(np.concatenate([part.s for part in parts]))
    settled = np.concatenate([part.settled for part in parts])
    traces = [part.trace for part in parts if part.trace is not None]
    mismatches = sum(part.mismatches for part in parts)
    return Recording(
        backend="lava",
        rates=with_readout(quantized.network, rates),
        steps=np.concatenate([part.steps for part in parts]).astype(np.int64),
        settled=settled,
        seconds=seconds,
        residual_curve=np.concatenate([part.curve for part in parts], axis=1),
        trace=quantized.rates(np.concatenate(traces, axis=1)) if traces else {},
        counts={
            "lava_mismatches": float(mismatches),
            "messages_per_unit": float(np.concatenate([part.messages for part in parts]).mean()),
        },
        notes=_notes(quantized, mismatches, settled, expected),
    )


def _notes(
    quantized: Quantized, mismatches: int, settled: NDArray[np.bool_], expected: EmulatedRun
) -> tuple[str, ...]:
    notes = [
        "EPSigmaDelta and Sparse processes of lava-nc, simulated on the CPU: nothing ran on a chip",
        f"s, v and sigma differ from the emulator's in {mismatches} places, over all steps",
        "input currents are computed on the host and enter as biases",
    ]
    if not quantized.network.output.dynamic:
        notes.append("the softmax read-out is computed on the host")
    if not settled.all():
        notes.append(
            f"{int((~settled).sum())} of {settled.size} samples were not silent when Lava was stopped "
            f"({int((~expected.settled).sum())} in the emulator)"
        )
    return tuple(notes)
