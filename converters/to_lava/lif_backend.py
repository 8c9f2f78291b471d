"""The back end 'lava' with stock LIF neurons, and their export."""

from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from mep_neuro.chip.lif.backend import COUNTED, WARM_UP, LifCounts, count_spikes, lif_recording
from mep_neuro.chip.lif.quantize import quantize_lif
from mep_neuro.chip.profile import read_profile
from mep_neuro.converters.to_lava.bundle import write_bundle
from mep_neuro.converters.to_lava.bundle_lif import lif_content
from mep_neuro.converters.to_lava.report import lif_report
from mep_neuro.converters.to_lava.session import LavaCounts, part_of_progress, run_lif_session
from mep_neuro.errors import StimulusError
from mep_neuro.simulation.conversion import ConversionReport
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.recording import Recording, RunOptions
from mep_neuro.simulation.stimulus import Stimulus, present

SESSION_NEURONS = 60_000  # of all samples of one session: reading one Var of as many takes 1.3 s


def lif_bundle(
    network: Network, stimulus: Stimulus, path: Path, chip: str, populations: str
) -> ConversionReport:
    """Write a bundle of LIF neurons.

    Args:
        network: The network.
        stimulus: What the golden run is shown.
        path: Folder to make.
        chip: Chip profile.
        populations: 'merged' or 'separate'.

    Raises:
        UnsupportedError: The network has units that LIF neurons cannot express.
        ChipRangeError: A number does not fit the chip.
        BundleError: The folder cannot be written.
    """
    quantized = quantize_lif(network, read_profile(chip))
    write_bundle(quantized, lif_content(quantized, quantized.bias(stimulus)), path, populations)
    report: ConversionReport = lif_report(quantized)
    return report


def run_lif(network: Network, features: NDArray[np.floating], options: RunOptions) -> Recording:
    """Count spikes in Lava's stock processes, and compare counts and registers with the emulator's.

    `counts['lava_mismatches']`: places where the spikes of either half, or the registers at the end, differ.
    """
    began = perf_counter()
    bits = options.widths.get("weight_bits")
    quantized = quantize_lif(network, read_profile(options.chip), weight_bits=bits)
    stimulus = present(network, features)
    if stimulus.samples == 0:
        raise StimulusError("lava: 0 samples; give at least 1")
    bias, expected = quantized.bias(stimulus), count_spikes(quantized, quantized.bias(stimulus))
    parts: list[LavaCounts] = []
    size = max(1, SESSION_NEURONS // quantized.circuit.size)
    for start in range(0, stimulus.samples, size):
        rows = slice(start, min(start + size, stimulus.samples))
        parts.append(
            run_lif_session(
                quantized,
                bias.of(rows),
                time_limit=max(0.0, options.time_limit - (perf_counter() - began)),
                populations=options.populations,
                progress=part_of_progress(options, stimulus.samples, rows),
            )
        )
    own = LifCounts(
        halves=np.concatenate([part.counts[1:] for part in parts], axis=1),
        u=np.concatenate([part.u[-1] for part in parts]),
        v=np.concatenate([part.v[-1] for part in parts]),
        wraps=expected.wraps,
    )
    mismatches = count_lif_mismatches(own, expected)
    return lif_recording(
        "lava",
        quantized,
        own,
        perf_counter() - began,
        extra={"lava_mismatches": float(mismatches)},
        notes=(
            "LIF and Sparse processes of lava-nc alone, simulated on the CPU: nothing ran on a chip",
            f"spikes, u and v differ from the emulator's in {mismatches} places "
            f"after {WARM_UP + COUNTED} steps",
        ),
    )


def count_lif_mismatches(lava: LifCounts, emulated: LifCounts) -> int:
    """Places where a count or a register of Lava's differs from the emulator's."""
    names = ("halves", "u", "v")
    return sum(int(np.count_nonzero(getattr(lava, n) != getattr(emulated, n))) for n in names)
