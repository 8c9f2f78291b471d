"""Reading an exported bundle; needs the standard library and numpy only, and is copied into it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FORMAT = "mep-neuro-lava-bundle"
VERSION = 3
NEURON_SEMANTICS = 1
MANIFEST = "manifest.json"


class DamagedBundleError(Exception):
    """A bundle is missing, incomplete, changed, or of another version."""


@dataclass(frozen=True)
class Bundle:
    """A quantized network on disk.

    Attributes:
        path: Its folder.
        manifest: Parameters, populations, read-out and the sha256 of every file.
        arrays: Synapses (weight_post, weight_pre, weight, weight_exp), encoder and read-out, by name.
        golden: Biases, and registers of a stored run at every step; see README.txt.
    """

    path: Path
    manifest: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray[Any, Any]]
    golden: Mapping[str, np.ndarray[Any, Any]]

    @property
    def units(self) -> int:
        """Number of neurons of all populations together."""
        return int(self.manifest["units"])


def load_bundle(path: Path) -> Bundle:
    """Read a bundle and check every byte of it against its manifest.

    Raises:
        DamagedBundleError: A file is missing or changed, or the format is unknown.
    """
    manifest = _manifest(path)
    for name, expected in manifest["files"].items():
        file = path / name
        if not file.is_file():
            raise DamagedBundleError(f"{file}: the file is missing; export the bundle again")
        if sha256(file.read_bytes()) != expected:
            raise DamagedBundleError(f"{file}: the content is not the manifest's; export the bundle again")
    return Bundle(path, manifest, _arrays(path / "arrays.npz"), _arrays(path / "golden.npz"))


def manifest_text(manifest: Mapping[str, Any]) -> str:
    """The manifest as JSON, sealed with the sha256 of its own content."""
    content = {name: value for name, value in manifest.items() if name != "seal"}
    return json.dumps({**content, "seal": _seal(content)}, indent=2) + "\n"


def sha256(content: bytes) -> str:
    """Hexadecimal digest."""
    return hashlib.sha256(content).hexdigest()


def _seal(content: Mapping[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode())


def _manifest(path: Path) -> dict[str, Any]:
    file = path / MANIFEST
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DamagedBundleError(
            f"{file}: cannot be read: {error.strerror}; give a bundle's folder"
        ) from error
    except ValueError as error:
        raise DamagedBundleError(f"{file}: is no JSON; export the bundle again") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DamagedBundleError(f"{file}: is no manifest of a {FORMAT}; give a bundle's folder")
    if manifest.get("version") != VERSION:
        raise DamagedBundleError(
            f"{file}: has version {manifest.get('version')}, known is {VERSION}; "
            "export the bundle again with this version of mep-neuro"
        )
    content = {name: value for name, value in manifest.items() if name != "seal"}
    if manifest.get("seal") != _seal(content):
        raise DamagedBundleError(f"{file}: the content differs from its seal; export the bundle again")
    return manifest


def _arrays(file: Path) -> dict[str, np.ndarray[Any, Any]]:
    with np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
