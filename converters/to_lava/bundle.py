"""The exported bundle: a quantized network that runs on any machine with numpy and Lava.

Format 1: manifest.json (parameters, populations, read-out, the sha256 of every file), arrays.npz
(integer synapses, float encoder and read-out), golden.npz (bias, and s and v at every step of a stored
run), the runner's files, README.txt. Nothing in it is pickled.
"""

import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.chip.emulate import emulate
from mep_neuro.chip.quantize import Quantized
from mep_neuro.converters.to_lava.runner.bundle_file import (
    FORMAT,
    MANIFEST,
    NEURON_SEMANTICS,
    VERSION,
    Bundle,
    DamagedBundleError,
    load_bundle,
    manifest_text,
    sha256,
)
from mep_neuro.errors import BundleError
from mep_neuro.simulation.network import Network

RUNNER = Path(__file__).parent / "runner"
RUNNER_FILES = ("bundle_file.py", "ep_sigma_delta.py", "guard.py", "lava_on_python311.py", "run_bundle.py")
MESSAGE_BITS = 24  # graded payload of Loihi 2 as Lava models it; 0 would reduce messages to one bit

README = """\
{name}: an Equilibrium Propagation network in the integers of {chip}

    python run_bundle.py . --check                          runs the golden inputs, compares every step
    python run_bundle.py . --inputs in.npz --out out.npz    in.npz: 'features' of shape (samples, {inputs})

They need numpy and Lava, on Python 3.10 or 3.11, in a virtual environment of their own:

    python -m pip install "numpy<2" scipy "networkx<=2.8.7" "asteval<0.10" scikit-learn
    python -m pip install --no-deps --ignore-requires-python lava-nc==0.10.0

or `mep-neuro backend install lava` makes that environment.

What this is: real Lava processes, simulated on the CPU, whose integers at every step are those of
mep-neuro's emulator. What it is not: a program for the chip. The neuron EPSigmaDelta has no hardware
model; to run it on Loihi 2 somebody has to write its microcode, from the equations in
ep_sigma_delta.py, with Intel's lava-loihi, which only members of its research community get.
Nothing here was measured on hardware.
"""


def write_bundle(quantized: Quantized, path: Path, golden_bias: NDArray[np.int32], golden_steps: int) -> None:
    """Write a bundle aside and rename it into place; an older bundle there is replaced.

    Args:
        quantized: The network.
        path: Folder to make.
        golden_bias: Constant currents of the stored run (`Quantized.bias`), shape (samples, units).
        golden_steps: Its steps.

    Raises:
        BundleError: Something that is no bundle is in the way, or the folder cannot be written.
    """
    if path.exists() and not (path / MANIFEST).is_file() and (path.is_file() or any(path.iterdir())):
        raise BundleError(f"{path}: exists and is no bundle; give a new folder")
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        _write(quantized, aside, golden_bias, golden_steps)
        if path.exists():
            shutil.rmtree(path)
        aside.rename(path)
    except OSError as error:
        raise BundleError(f"{path}: cannot be written: {error.strerror}; give a writable folder") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def read_bundle(path: Path) -> Bundle:
    """Read a bundle and check every byte of it.

    Raises:
        BundleError: It is missing, damaged, or of another version.
    """
    try:
        return load_bundle(path)
    except DamagedBundleError as error:
        raise BundleError(str(error)) from error
    except (KeyError, TypeError, AttributeError, ValueError, zipfile.BadZipFile) as error:
        raise BundleError(f"{path}: lacks what a bundle holds ({error}); export it again") from error


def _write(quantized: Quantized, folder: Path, golden_bias: NDArray[np.int32], golden_steps: int) -> None:
    trace = emulate(quantized, golden_bias, steps=golden_steps, trace=True).trace
    if trace is None:
        raise ValueError("the emulator returned no trace")
    golden: dict[str, Any] = {"bias": golden_bias, "s": trace.s, "v": trace.v}
    np.savez_compressed(folder / "golden.npz", **golden)
    np.savez_compressed(folder / "arrays.npz", **_arrays(quantized))
    for name in RUNNER_FILES:
        shutil.copyfile(RUNNER / name, folder / name)
    network = quantized.network
    text = README.format(name=network.spec.name, chip=quantized.profile.name, inputs=network.input.size)
    (folder / "README.txt").write_text(text, encoding="utf-8")
    manifest = _manifest(quantized) | {
        "golden": {"samples": golden_bias.shape[0], "steps": golden_steps},
        "files": {file.name: sha256(file.read_bytes()) for file in sorted(folder.iterdir())},
    }
    (folder / MANIFEST).write_text(manifest_text(manifest), encoding="utf-8")


def _manifest(quantized: Quantized) -> dict[str, Any]:
    shapes = {p.name: p.shape for p in quantized.network.dynamic}
    offsets = quantized.offsets
    return {
        "format": FORMAT,
        "version": VERSION,
        "neuron": {"process": "EPSigmaDelta", "semantics": NEURON_SEMANTICS},
        "network": quantized.network.spec.name,
        "chip": quantized.profile.name,
        "units": quantized.size,
        "scales": {
            "P": quantized.P,
            "E": quantized.weight_exponent,
            "B": quantized.state_bits,
            "k": quantized.leak_shift,
        },
        "bias_scale": 2 ** (quantized.P - quantized.leak_shift),
        "registers": _registers(quantized),
        "synapses": {
            "sign_mode": "MIXED",
            "weight_exp": 0,
            "num_weight_bits": quantized.weight_bits,
            "num_message_bits": MESSAGE_BITS,
        },
        "populations": {
            name: {"offset": offsets[name], "size": int(np.prod(shape)), "shape": list(shape)}
            for name, shape in shapes.items()
        },
        "readout": _readout(quantized),
    }


def _registers(quantized: Quantized) -> dict[str, int]:
    """The arguments of EPSigmaDelta; no message can be larger than the largest rate."""
    return {
        "dv": quantized.dv,
        "p": quantized.p,
        "s_max": quantized.s_max,
        "v_threshold": quantized.threshold,
        "message_max": quantized.message_max,
        "register_bits": quantized.register_bits,
    }


def _readout(quantized: Quantized) -> dict[str, Any]:
    output = quantized.network.output
    if output.dynamic:
        offset = quantized.offsets[output.name]
        return {"on": "chip", "population": output.name, "offset": offset, "size": output.size}
    return {"on": "host", "population": output.name, "size": output.size}


def _arrays(quantized: Quantized) -> dict[str, Any]:
    synapses = quantized.weight.tocoo()
    network = quantized.network
    arrays: dict[str, Any] = {
        "weight_post": synapses.row.astype(np.int32),
        "weight_pre": synapses.col.astype(np.int32),
        "weight": synapses.data.astype(np.int16),
        "unit_bias": np.concatenate([network.populations[name].bias for name in quantized.names]),
        "input_offset": network.input.offset,
        "input_scale": np.array(network.input.scale),
        **_input_synapses(quantized),
    }
    return arrays if network.output.dynamic else arrays | _host_readout(quantized)


def _input_synapses(quantized: Quantized) -> dict[str, Any]:
    network = quantized.network
    into = [
        q for q in network.projections.values() if q.pre == network.input.name and q.post in quantized.offsets
    ]
    post = [q.synapses.post + quantized.offsets[q.post] for q in into]
    weight = [q.forward_weights for q in into]
    return {
        "input_post": np.concatenate([np.zeros(0, np.int32), *post]).astype(np.int32),
        "input_pre": np.concatenate([np.zeros(0, np.int32), *(q.synapses.pre for q in into)]).astype(
            np.int32
        ),
        "input_weight": np.concatenate([np.zeros(0), *weight]),
    }


def _host_readout(quantized: Quantized) -> dict[str, Any]:
    """Read-out as scores = rates @ weight.T + bias; the largest is the class, as after the softmax."""
    network: Network = quantized.network
    output = network.output
    weight, bias = np.zeros((output.size, quantized.size)), output.bias.copy()
    for projection in network.projections.values():
        if projection.post == output.name and projection.pre in quantized.offsets:
            synapses = projection.synapses
            own = np.zeros((output.size, network.populations[projection.pre].size))
            np.add.at(own, (synapses.post, synapses.pre), projection.forward_weights)
            own *= projection.gain
            bias -= own[:, projection.pre_units] @ projection.offset
            start = quantized.offsets[projection.pre]
            weight[:, start : start + own.shape[1]] += own
    return {"readout_weight": weight, "readout_bias": bias}
