"""What a bundle of EPSigmaDelta neurons holds."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from mep_neuro.chip.emulate import emulate
from mep_neuro.chip.quantize import Quantized
from mep_neuro.converters.to_lava.bundle import Content
from mep_neuro.converters.to_lava.runner.bundle_file import NEURON_SEMANTICS

MESSAGE_BITS = 24  # graded payload of Loihi 2 as Lava models it; 0 would reduce messages to one bit

README = """\
{name}: an Equilibrium Propagation network in the integers of {chip}

    python run_bundle.py . --check                          runs the golden inputs, compares every step
    python run_bundle.py . --inputs in.npz --out out.npz    in.npz: 'features' of shape (samples, {inputs})
    --populations separate     a process for each population, instead of one for all
    --time-limit SECONDS       end a run that takes longer
    --precision float          the same integers as real numbers, without rounding of the state

They need numpy and Lava, on Python 3.10 or 3.11, in a virtual environment of their own:

    python -m pip install "numpy<2" scipy "networkx<=2.8.7" "asteval<0.10" scikit-learn
    python -m pip install --no-deps --ignore-requires-python lava-nc==0.10.0

or `mep-neuro backend install lava` makes that environment.

What this is: real Lava processes, simulated on the CPU, whose integers at every step are those of
mep-neuro's emulator. What it is not: a program for the chip. The neuron EPSigmaDelta has no hardware
model; to run it on Loihi 2 somebody has to write its microcode, from the equations in
ep_sigma_delta.py, with Intel's lava-loihi, which only members of its research community get.
Until then it is simulated. Nothing here was measured on hardware.
"""


def sigma_delta_content(quantized: Quantized, golden_bias: NDArray[np.int32], golden_steps: int) -> Content:
    """The integers and the golden run.

    Args:
        quantized: The network.
        golden_bias: Constant currents of the stored run (`Quantized.bias`), shape (samples, units).
        golden_steps: Its steps.
    """
    trace = emulate(quantized, golden_bias, steps=golden_steps, trace=True).trace
    if trace is None:
        raise ValueError("the emulator returned no trace")
    network, weight = quantized.network, quantized.weight
    return Content(
        manifest=_manifest(quantized) | {"golden": {"samples": golden_bias.shape[0], "steps": golden_steps}},
        weight=csr_matrix((quantized.held, weight.indices, weight.indptr), shape=weight.shape),
        exponents=quantized.synapse_exponents,
        golden={"bias": golden_bias, "s": trace.s, "v": trace.v},
        readme=README.format(name=network.spec.name, chip=quantized.profile.name, inputs=network.input.size),
    )


def _manifest(quantized: Quantized) -> dict[str, Any]:
    return {
        "neuron": {"process": "EPSigmaDelta", "semantics": NEURON_SEMANTICS},
        "scales": {
            "P": quantized.P,
            "E": quantized.weight_exponent,
            "B": quantized.state_bits,
            "k": quantized.leak_shift,
        },
        "bias_scale": 2 ** (quantized.P - quantized.leak_shift),
        "registers": {
            "dv": quantized.dv,
            "p": quantized.p,
            "s_max": quantized.s_max,
            "v_threshold": quantized.threshold,
            "message_max": quantized.message_max,
            "register_bits": quantized.register_bits,
        },
        "synapses": {
            "sign_mode": "MIXED",
            "num_weight_bits": quantized.weight_bits,
            "num_message_bits": MESSAGE_BITS,
        },
        "parts": [
            {"name": p.name, "offset": quantized.offsets[p.name], "size": p.size}
            for p in quantized.network.dynamic
        ],
    }
