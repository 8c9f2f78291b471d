"""Files of a RUN folder: read only if whole, written so that a kill or a full disk leaves the old ones."""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from mep_neuro.backends.run_document import RESTORE, MetricsPart, checkpoint_files
from mep_neuro.errors import RunFolderError

RUN_JSON, NETWORK, METRICS = "run.json", "network.yaml", "metrics.jsonl"
_ASIDE = ".tmp"
_OWN = re.compile(rf"step-[0-9]+({re.escape(_ASIDE)})?|run\.json{re.escape(_ASIDE)}")


def sha256(content: bytes) -> str:
    """64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def read_regular(folder: Path, name: str) -> bytes:
    """Read a file that is in the folder itself, not behind a link.

    Raises:
        RunFolderError: Missing, a link, no regular file, or not readable.
    """
    path = folder / name
    if os.path.realpath(path) != os.path.join(os.path.realpath(folder), name):
        raise RunFolderError(f"{path}: leads out of the RUN folder by a link; put the file itself there")
    if not os.path.isfile(path):
        raise RunFolderError(f"{path}: missing; {RESTORE}")
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error


def read_whole(folder: Path, name: str, digest: str) -> bytes:
    """Read a file and compare its sha256 with the one in run.json.

    Raises:
        RunFolderError: As `read_regular`, or the content is another.
    """
    content = read_regular(folder, name)
    if sha256(content) != digest:
        raise RunFolderError(f"{folder / name}: damaged, its sha256 is not the one in run.json; {RESTORE}")
    return content


def read_metrics(folder: Path, part: MetricsPart) -> bytes:
    """The lines of metrics.jsonl that belong to the checkpoint.

    Raises:
        RunFolderError: As `read_whole`.
    """
    content = read_regular(folder, METRICS)[: part.bytes]
    if sha256(content) != part.sha256:
        raise RunFolderError(f"{folder / METRICS}: damaged, its sha256 is not the one in run.json; {RESTORE}")
    return content


def pack(where: str, arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays as a safetensors file; dtype and shape are kept.

    Raises:
        RunFolderError: A dtype that safetensors does not hold.
    """
    try:
        return safetensors.numpy.save({name: np.asarray(a, order="C") for name, a in arrays.items()})
    except safetensors.SafetensorError as error:
        kinds = ", ".join(sorted({str(np.asarray(a).dtype) for a in arrays.values()}))
        raise RunFolderError(
            f"{where}: cannot be stored ({kinds}: {error}); give arrays of numbers"
        ) from error


def unpack(path: Path, content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file, by name in alphabetical order (the library's order is random).

    Raises:
        RunFolderError: No such file.
    """
    try:
        return dict(sorted(safetensors.numpy.load(content).items()))
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise RunFolderError(f"{path}: no safetensors file ({error}); {RESTORE}") from error


@contextmanager
def disk_errors(folder: Path, what: str) -> Iterator[None]:
    """Say in words what could not be written.

    Raises:
        RunFolderError: For every OSError.
    """
    try:
        yield
    except OSError as error:
        raise RunFolderError(
            f"{folder}: {what} could not be written ({error.strerror or error}); what was saved before is "
            "whole: free space or mend permissions, then resume"
        ) from error


def replace_file(path: Path, content: bytes) -> None:
    """Write aside, then replace in one step: a reader sees the old file or the new one."""
    aside = path.with_name(path.name + _ASIDE)
    write_synced(aside, content)
    os.replace(aside, path)
    sync_folder(path.parent)


def write_checkpoint(folder: Path, checkpoint: str, weights: bytes, state: bytes) -> None:
    """Write a checkpoint's folder aside, then rename it."""
    aside = folder / (checkpoint + _ASIDE)
    aside.mkdir()
    for name, content in zip(checkpoint_files(checkpoint), (weights, state), strict=True):
        write_synced(aside / Path(name).name, content)
    sync_folder(aside)
    os.rename(aside, folder / checkpoint)
    sync_folder(folder)


def append_metrics(folder: Path, part: MetricsPart, lines: list[str]) -> MetricsPart:
    """Put lines after those of the checkpoint, over what a killed writer left there."""
    covered = read_metrics(folder, part)
    added = "".join(line + "\n" for line in lines).encode()
    with (folder / METRICS).open("r+b") as file:
        file.truncate(part.bytes)
        file.seek(part.bytes)
        file.write(added)
        file.flush()
        os.fsync(file.fileno())
    return MetricsPart(
        bytes=part.bytes + len(added), lines=part.lines + len(lines), sha256=sha256(covered + added)
    )


def remove_leftovers(folder: Path, keep: set[str]) -> None:
    """Remove checkpoints that run.json does not name, and files that were still aside."""
    for path in folder.iterdir():
        if _OWN.fullmatch(path.name) and path.name not in keep:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def is_leftover(name: str) -> bool:
    """Whether a writer that was killed while creating a RUN may have left this."""
    return name in (NETWORK, METRICS) or _OWN.fullmatch(name) is not None


def write_synced(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the disk has a folder's names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
