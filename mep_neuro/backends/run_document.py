"""run.json: what a RUN folder holds, with a checksum of every file and of itself."""

import hashlib
import importlib.metadata
import json
import platform
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mep_neuro.errors import RunFolderError

FORMAT, VERSION = "mep-neuro-run", 1
RESTORE = "restore the folder from a copy, or train again into another one"

_FILE = r"^(network\.yaml|step-(0|[1-9][0-9]{0,17})/(weights|state)\.safetensors)$"
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Count = Annotated[int, Field(ge=0)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class MetricsPart(_Section):
    """How much of metrics.jsonl belongs to the checkpoint; what follows is of a writer that was killed."""

    bytes: _Count = 0
    lines: _Count = 0
    sha256: _Sha256 = hashlib.sha256().hexdigest()


class RunDocument(_Section):
    """The content of run.json.

    Attributes:
        versions: Of Python and the packages that wrote the checkpoint.
        seeds: The network's.
        data: Identity of the data set, its sha256.
        settings: The training settings, as JSON holds them.
        weights: Shape of every array of the network.
        checkpoint: Folder of the current checkpoint.
        files: sha256 of every file, the previous checkpoint's too.
    """

    format: Literal["mep-neuro-run"] = "mep-neuro-run"
    version: Literal[1] = 1
    versions: dict[str, str]
    seeds: dict[str, int]
    data: str
    settings: dict[str, Any]
    weights: dict[str, list[_Count]]
    checkpoint: Annotated[str, Field(pattern=r"^step-(0|[1-9][0-9]{0,17})$")]
    metrics: MetricsPart = MetricsPart()
    files: dict[Annotated[str, Field(pattern=_FILE)], _Sha256]

    @model_validator(mode="after")
    def _complete(self) -> "RunDocument":
        missing = {"network.yaml", *checkpoint_files(self.checkpoint)} - set(self.files)
        if missing:
            raise ValueError(f"files: {sorted(missing)} are not listed")
        return self

    @property
    def step(self) -> int:
        """Step of the current checkpoint."""
        return int(self.checkpoint.removeprefix("step-"))

    @property
    def checkpoints(self) -> set[str]:
        """Folders of the current and the previous checkpoint."""
        return {name.split("/")[0] for name in self.files if "/" in name}

    def after(self, checkpoint: str, digests: tuple[str, str], metrics: MetricsPart) -> "RunDocument":
        """What run.json says at the next checkpoint, the present one beside it.

        Args:
            checkpoint: Folder of the next checkpoint.
            digests: sha256 of its two files.
            metrics: How far metrics.jsonl goes then.
        """
        kept = ("network.yaml", *checkpoint_files(self.checkpoint))
        files = {name: self.files[name] for name in kept}
        content = self.model_dump() | {
            "versions": current_versions(),
            "checkpoint": checkpoint,
            "metrics": metrics.model_dump(),
            "files": files | dict(zip(checkpoint_files(checkpoint), digests, strict=True)),
        }
        return RunDocument.model_validate(content)


def checkpoint_files(checkpoint: str) -> tuple[str, str]:
    """The files of a checkpoint, relative to the RUN."""
    return f"{checkpoint}/weights.safetensors", f"{checkpoint}/state.safetensors"


def current_versions() -> dict[str, str]:
    """Versions of Python and of the installed packages that training rests on; imports none of them."""
    versions = {"python": platform.python_version()}
    for package in ("mep-neuro", "numpy", "safetensors", "torch"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def render(document: RunDocument) -> bytes:
    """The bytes of run.json: sorted, with a sha256 over all the rest."""
    return _render(document.model_dump(mode="json"))


def _render(content: dict[str, Any]) -> bytes:
    digest = hashlib.sha256(_dump(content)).hexdigest()
    return _dump({**content, "sha256": digest})


def _dump(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def parse(raw: bytes, where: Path) -> RunDocument:
    """Read run.json; every byte of it is checked.

    Args:
        raw: The file's bytes.
        where: The file, for messages.

    Raises:
        RunFolderError: Damaged, of another program, or written by a newer version of this one.
    """
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise RunFolderError(f"{where}: damaged, no JSON ({error}); {RESTORE}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise RunFolderError(f"{where}: not of the format '{FORMAT}'; give a RUN folder of mep-neuro train")
    version = content.get("version")
    if type(version) is not int or version < 1:
        raise RunFolderError(f"{where}: unknown version {version!r} of the format; {RESTORE}")
    if version > VERSION:
        raise RunFolderError(
            f"{where}: version {version} of the format, this mep-neuro reads up to {VERSION}; "
            "upgrade mep-neuro"
        )
    content.pop("sha256", None)
    try:
        whole = _render(content) == raw
    except ValueError:  # a NaN in it, which JSON does not know
        whole = False
    if not whole:
        raise RunFolderError(f"{where}: damaged, its own sha256 does not match; {RESTORE}")
    return _validated(content, where)


def _validated(content: dict[str, Any], where: Path) -> RunDocument:
    try:
        return RunDocument.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part != "[key]")
        if "[key]" in first["loc"]:
            raise RunFolderError(f"{where}: names {place!r}, no file of a RUN folder; {RESTORE}") from error
        raise RunFolderError(f"{where}: {place}: {first['msg']}; {RESTORE}") from error
