"""What a bundle of Lava's stock LIF neurons holds."""

from typing import Any

from scipy.sparse import csr_matrix

from mep_neuro.chip.lif.backend import COUNTED, WARM_UP
from mep_neuro.chip.lif.emulate import emulate_lif
from mep_neuro.chip.lif.quantize import LifBias, QuantizedLif
from mep_neuro.converters.to_lava.bundle import Content

GOLDEN_STEPS = 200
NEURON_SEMANTICS = 1

README = """\
{name}: an Equilibrium Propagation network as Lava's stock LIF neurons, in the integers of {chip}

    python run_bundle.py . --check                          runs the golden inputs, compares every step
    python run_bundle.py . --inputs in.npz --out out.npz    in.npz: 'features' of shape (samples, {inputs})
    --populations separate     a process for each population, instead of one for all
    --time-limit SECONDS       end a run that takes longer
    --run-config NAME          Lava's run configuration; without it Loihi2SimCfg, a simulation. A host with
                               Intel's compiler (lava-loihi, for members of its research community) can
                               give Loihi2HwCfg.

They need numpy and Lava, on Python 3.10 or 3.11, in a virtual environment of their own:

    python -m pip install "numpy<2" scipy "networkx<=2.8.7" "asteval<0.10" scikit-learn
    python -m pip install --no-deps --ignore-requires-python lava-nc==0.10.0

or `mep-neuro backend install lava` makes that environment.

What this is: LIF and Sparse processes of Lava and nothing else, in lif_network.py. A rate s is s / {interval}
spikes a step, counted after a warm-up of {warm_up} steps by LIF neurons that never spike; each unit is a
pair of neurons, relu(x) - relu(x - 1), which holds its rate below 1. The simulation's integers are those of
mep-neuro's emulator. What it is not: tried on a chip. No hardware was at hand, and Lava's own simulation of
LIF has been reported to differ from Loihi in places (lava issue 322).
"""


def lif_content(quantized: QuantizedLif, golden_bias: LifBias) -> Content:
    """The integers and the golden run.

    Args:
        quantized: The network.
        golden_bias: Constant currents of the stored run (`QuantizedLif.bias`), shape (samples, neurons).
    """
    trace = emulate_lif(quantized.circuit, golden_bias.current, steps=GOLDEN_STEPS + 1, trace=True).trace
    if trace is None:
        raise ValueError("the emulator returned no trace")
    network, weight = quantized.network, quantized.weight
    return Content(
        manifest=_manifest(quantized)
        | {"golden": {"samples": golden_bias.mantissa.shape[0], "steps": GOLDEN_STEPS}},
        weight=csr_matrix((quantized.held, weight.indices, weight.indptr), shape=weight.shape),
        exponents=quantized.synapse_exponents,
        # The counters see a spike one step late.
        golden={
            "mantissa": golden_bias.mantissa,
            "exponent": golden_bias.exponent,
            "u": trace.u[1:],
            "v": trace.v[1:],
            "counts": trace.spikes[:-1].astype("uint8"),
        },
        readme=README.format(
            name=network.spec.name,
            chip=quantized.profile.name,
            inputs=network.input.size,
            interval=quantized.interval,
            warm_up=WARM_UP,
        ),
    )


def _manifest(quantized: QuantizedLif) -> dict[str, Any]:
    neuron, profile = quantized.circuit.neuron, quantized.profile
    sizes = {p.name: p.size for p in quantized.network.dynamic}
    parts: list[dict[str, Any]] = [
        {"name": name, "offset": quantized.offsets[name], "size": size} for name, size in sizes.items()
    ]
    if quantized.clamp:
        parts += [
            {"name": f"{p['name']}_above_one", "offset": quantized.size + p["offset"], "size": p["size"]}
            for p in tuple(parts)
        ]
    return {
        "neuron": {"process": "LIF", "semantics": NEURON_SEMANTICS},
        "bias_scale": quantized.unit_current,
        "registers": {"du": neuron.du, "dv": neuron.dv, "vth": neuron.vth},
        "code": {
            "interval": quantized.interval,
            "clamp": quantized.clamp,
            "warm_up": WARM_UP,
            "steps": COUNTED,
            "mantissa_high": (1 << (profile.number("lif_bias_mantissa_bits") - 1)) - 1,
            "exponent_high": (1 << profile.number("lif_bias_exponent_bits")) - 1,
        },
        "synapses": {
            "sign_mode": "MIXED",
            "num_weight_bits": quantized.weight_bits,
            "num_message_bits": 0,
        },
        "parts": parts,
    }
