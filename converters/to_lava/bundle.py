"""The exported bundle: a quantized network that runs on any machine with numpy and Lava.

Format 3: manifest.json (parameters, populations, read-out, the sha256 of every file), arrays.npz
(integer synapses, float encoder and read-out), golden.npz (biases, and registers at every step of a stored
run), the runner's files, README.txt. Nothing in it is pickled.
"""

import os
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from mep_neuro.chip.lif.quantize import QuantizedLif
from mep_neuro.chip.quantize import Quantized
from mep_neuro.converters.to_lava.runner.bundle_file import (
    FORMAT,
    MANIFEST,
    VERSION,
    Bundle,
    DamagedBundleError,
    load_bundle,
    manifest_text,
    sha256,
)
from mep_neuro.errors import BundleError

RUNNER = Path(__file__).parent / "runner"
NOT_BUNDLED = {"__init__.py", "learn.py", "learning_neuron.py"}  # learning on the chip has no bundle
RUNNER_FILES = tuple(sorted({file.name for file in RUNNER.glob("*.py")} - NOT_BUNDLED))
QuantizedNetwork = Quantized | QuantizedLif


@dataclass(frozen=True)
class Content:
    """What a bundle of one neuron model holds beside what all have.

    Attributes:
        manifest: Entries of the manifest.
        weight: Integer weights as synapses hold them, rows post, columns pre.
        exponents: Power of two of each stored weight, in the order of weight.data.
        golden: Arrays of the stored run.
        readme: README.txt.
    """

    manifest: Mapping[str, Any]
    weight: csr_matrix
    exponents: NDArray[np.int32]
    golden: Mapping[str, NDArray[np.integer]]
    readme: str


def write_bundle(quantized: QuantizedNetwork, content: Content, path: Path, layout: str = "merged") -> None:
    """Write a bundle aside and rename it into place; an older bundle there is replaced.

    Args:
        quantized: The network.
        content: What its neuron model needs (`sigma_delta_content`, `lif_content`).
        path: Folder to make.
        layout: How it is run unless told otherwise: 'merged', or 'separate' populations.

    Raises:
        BundleError: Something that is no bundle is in the way, or the folder cannot be written.
    """
    if path.exists() and not (path / MANIFEST).is_file() and (path.is_file() or any(path.iterdir())):
        raise BundleError(f"{path}: exists and is no bundle; give a new folder")
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        _write(quantized, content, aside, layout)
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


def _write(quantized: QuantizedNetwork, content: Content, folder: Path, layout: str) -> None:
    golden: dict[str, Any] = dict(content.golden)
    np.savez_compressed(folder / "golden.npz", **golden)
    np.savez_compressed(folder / "arrays.npz", **_arrays(quantized, content))
    for name in RUNNER_FILES:
        shutil.copyfile(RUNNER / name, folder / name)
    (folder / "README.txt").write_text(content.readme, encoding="utf-8")
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "network": quantized.network.spec.name,
        "chip": quantized.profile.name,
        "units": int(content.weight.shape[0]),
        "layout": layout,
        "populations": {
            p.name: {"offset": quantized.offsets[p.name], "size": p.size, "shape": list(p.shape)}
            for p in quantized.network.dynamic
        },
        "readout": _readout(quantized),
        **content.manifest,
        "files": {file.name: sha256(file.read_bytes()) for file in sorted(folder.iterdir())},
    }
    (folder / MANIFEST).write_text(manifest_text(manifest), encoding="utf-8")


def _readout(quantized: QuantizedNetwork) -> dict[str, Any]:
    output = quantized.network.output
    if output.dynamic:
        offset = quantized.offsets[output.name]
        return {"on": "chip", "population": output.name, "offset": offset, "size": output.size}
    return {"on": "host", "population": output.name, "size": output.size}


def _arrays(quantized: QuantizedNetwork, content: Content) -> dict[str, Any]:
    synapses = content.weight.tocoo()
    network = quantized.network
    arrays: dict[str, Any] = {
        "weight_post": synapses.row.astype(np.int32),
        "weight_pre": synapses.col.astype(np.int32),
        "weight": synapses.data.astype(np.int16),
        "weight_exp": content.exponents.astype(np.int8),
        "unit_bias": np.concatenate([network.populations[name].bias for name in quantized.names]),
        "input_offset": network.input.offset,
        "input_scale": np.array(network.input.scale),
        **_input_synapses(quantized),
    }
    return arrays if network.output.dynamic else arrays | _host_readout(quantized)


def _input_synapses(quantized: QuantizedNetwork) -> dict[str, Any]:
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


def _host_readout(quantized: QuantizedNetwork) -> dict[str, Any]:
    """Read-out as scores = rates @ weight.T + bias; the largest is the class, as after the softmax."""
    network = quantized.network
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
