"""What a RUN folder refuses, and the check of every file on opening."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.backends.run_document import RunDocument, parse, render
from mep_neuro.backends.run_files import RUN_JSON, is_leftover, read_metrics, read_regular, read_whole
from mep_neuro.backends.run_lock import LOCK
from mep_neuro.errors import RunFolderError
from mep_neuro.simulation.network import Network
from mep_neuro.topology.spec import NetworkSpec


def verified(path: Path) -> RunDocument:
    """Read run.json and check every file that it names.

    Raises:
        RunFolderError: Something is missing, damaged or of a newer version.
    """
    raw = read_regular(path, RUN_JSON)
    while True:
        try:
            document = parse(raw, path / RUN_JSON)
            for name, digest in document.files.items():
                read_whole(path, name, digest)
            read_metrics(path, document.metrics)
        except RunFolderError:
            newer = read_regular(path, RUN_JSON)
            if newer == raw:
                raise
            raw = newer  # a writer saved meanwhile, and removed the oldest checkpoint
        else:
            return document


def refuse_foreign(path: Path) -> None:
    """Refuse a file, and a folder that holds anything but what a killed `create` left.

    Raises:
        RunFolderError: Something else is there.
    """
    if not os.path.lexists(path):
        return
    if not os.path.isdir(path):
        raise RunFolderError(f"{path}: is no folder; choose a folder that does not exist yet")
    names = set(os.listdir(path))
    ours = LOCK in names and all(name == LOCK or is_leftover(name) for name in names)
    if names and not ours:
        raise RunFolderError(
            f"{path}: not empty and no RUN (it holds {sorted(names)[0]!r}); "
            "choose a folder that does not exist yet"
        )


def refuse_other(
    path: Path,
    document: RunDocument,
    old_spec: NetworkSpec,
    network: Network,
    settings: Mapping[str, Any],
    data_identity: str,
) -> None:
    """Refuse to go on with a RUN of another network, other settings or other data.

    Raises:
        RunFolderError: Names every difference.
    """
    differences = []
    if old_spec != network.spec:
        old, new = old_spec.to_mapping(), network.spec.to_mapping()
        changed = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
        differences.append(f"network: {', '.join(changed)}")
    for key in sorted({*document.settings, *settings}):
        there, asked = (json.dumps(s[key]) if key in s else "nothing" for s in (document.settings, settings))
        if there != asked:
            differences.append(f"{key}: {there} there, {asked} asked")
    if document.data != data_identity:
        differences.append(f"data: {document.data[:12]} there, {data_identity[:12]} asked")
    if differences:
        raise RunFolderError(
            f"{path}: holds another RUN ({'; '.join(differences)}); "
            "choose another folder, or ask for the same"
        )


def refuse_misfit(path: Path, document: RunDocument, step: int, weights: Mapping[str, NDArray[Any]]) -> None:
    """Refuse a step that is not later, and weights that are not the network's.

    Raises:
        RunFolderError: Names the first that does not fit.
    """
    if step <= document.step:
        raise RunFolderError(f"{path}: step {step} is not after step {document.step}; save a later one")
    shapes = {name: list(np.shape(array)) for name, array in weights.items()}
    own = document.weights
    wrong = sorted(name for name in {*shapes, *own} if shapes.get(name) != own.get(name))
    if wrong:
        name = wrong[0]
        raise RunFolderError(
            f"{path}: weights {name!r}: shape {shapes.get(name, 'missing')}, the network's is "
            f"{own.get(name, 'none of this name')}; save the arrays of this network"
        )


def refuse_stale(path: Path, document: RunDocument) -> None:
    """Refuse to go on from a checkpoint that is no longer the current one.

    Raises:
        RunFolderError: run.json on the disk is another.
    """
    raw = read_regular(path, RUN_JSON)
    if raw != render(document):
        now = parse(raw, path / RUN_JSON).step
        raise RunFolderError(
            f"{path}: was saved by another writer (step {now}, this one is at {document.step}); open it again"
        )
