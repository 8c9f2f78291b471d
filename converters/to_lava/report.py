"""What a bundle keeps of a network, in sentences."""

from mep_neuro.chip.lif.quantize import QuantizedLif
from mep_neuro.chip.precision import weight_scale
from mep_neuro.chip.quantize import Quantized
from mep_neuro.chip.weights import weight_grid
from mep_neuro.converters.to_lava.bundle import QuantizedNetwork
from mep_neuro.simulation.conversion import ConversionReport


def sigma_delta_report(quantized: Quantized) -> ConversionReport:
    """Of EPSigmaDelta neurons."""
    inner, outer = _projections(quantized)
    return ConversionReport(
        target="lava",
        exact=("every integer of every step equals the emulator's ('loihi-emulator')",),
        approximated=(
            *(f"population '{name}': rates in steps of 1/{quantized.s_max}" for name in quantized.names),
            *_rounding(quantized, inner),
        ),
        dropped=(
            *outer,
            "learning, consolidation, equilibrium: not in the bundle",
            "a program for the chip: EPSigmaDelta is simulated until someone writes its microcode",
        ),
    )


def lif_report(quantized: QuantizedLif) -> ConversionReport:
    """Of Lava's stock LIF neurons."""
    inner, outer = _projections(quantized)
    return ConversionReport(
        target="lava",
        exact=("every integer of every step equals the emulator's, of the same neuron model",),
        approximated=(
            *(
                f"population '{name}': a rate s as s / {quantized.interval} spikes a step"
                for name in quantized.names
            ),
            *_rounding(quantized, inner),
        ),
        dropped=(
            *outer,
            "learning, consolidation, equilibrium: not in the bundle",
            "a proof on the chip: stock LIF and Sparse processes alone, tried in Lava's simulation only",
        ),
    )


def _projections(quantized: QuantizedNetwork) -> tuple[list[str], list[str]]:
    """Projections between settling units, and a sentence on each of the others."""
    ends = {name: {q.pre, q.post} for name, q in quantized.network.projections.items()}
    inner = [name for name in ends if ends[name] <= set(quantized.offsets)]
    outer = [
        f"projection '{name}': float numbers in arrays.npz, for the host"
        for name in ends
        if name not in inner
    ]
    return inner, outer


def _rounding(quantized: QuantizedNetwork, inner: list[str]) -> list[str]:
    """Half a step of what a synapse holds."""
    step, _ = weight_grid(quantized.profile, quantized.weight_bits)
    return [
        f"projection '{name}': weights rounded by at most {step / 2 / weight_scale(quantized, name):.3g}"
        for name in inner
    ]
