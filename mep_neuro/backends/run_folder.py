"""RUN folders: a training run on disk, whole at every moment.

    network.yaml     the topology, resolved
    step-N/          weights.safetensors, and state.safetensors with optimizer and random state
    metrics.jsonl    one line per record
    run.json         versions, seeds, data, settings, sha256 of every file; replaced last

Whatever moment a writer is killed at, run.json names files that are complete.
"""

import copy
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mep_neuro.backends.run_checks import refuse_foreign, refuse_misfit, refuse_other, refuse_stale, verified
from mep_neuro.backends.run_create import write_first
from mep_neuro.backends.run_document import RESTORE, RunDocument, checkpoint_files, parse, render
from mep_neuro.backends.run_files import (
    NETWORK,
    RUN_JSON,
    append_metrics,
    disk_errors,
    pack,
    read_metrics,
    read_regular,
    read_whole,
    remove_leftovers,
    replace_file,
    sha256,
    unpack,
    write_checkpoint,
)
from mep_neuro.backends.run_json import json_line, json_settings
from mep_neuro.backends.run_lock import WriterLock
from mep_neuro.errors import RunFolderError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.network import Network
from mep_neuro.topology.reader import parse_spec
from mep_neuro.topology.spec import NetworkSpec
from mep_neuro.topology.writer import write_spec


@dataclass(frozen=True, eq=False)
class RunFolder:
    """A RUN at one checkpoint; `save` returns the RUN at the next one.

    A writer holds a lock from `create`, or from `open(..., writing=True)`, until `close`, the end of a
    `with` block, or the end of its process. Readers need none.

    Attributes:
        path: The folder.
        document: What run.json says.
        lock: The writer's lock, shared by all RunFolders that came of one `create` or `open`.
    """

    path: Path
    document: RunDocument
    lock: WriterLock

    @classmethod
    def create(
        cls, path: str | Path, network: Network, settings: Mapping[str, Any], data_identity: str
    ) -> "RunFolder":
        """Start a RUN with the network's weights as checkpoint step-0, or go on with the same one.

        Args:
            path: A folder that does not exist, is empty, or is a RUN of these very arguments.
            network: The network before training.
            settings: Everything the training depends on, seeds included; as JSON holds it.
            data_identity: `DataSet.identity`.

        Returns:
            The RUN, locked for writing; its `step` is above 0 where it was there already.

        Raises:
            RunFolderError: The folder holds something else or a RUN of other settings, another writer is
                at it, or it cannot be written.
        """
        path, plain, text = Path(path), json_settings(Path(path), settings), write_spec(network.spec)
        if not os.path.lexists(path / RUN_JSON):
            refuse_foreign(path)
            with disk_errors(path, "the RUN folder"):
                path.mkdir(parents=True, exist_ok=True)
            lock = WriterLock(path)
            with _released_on_error(lock):
                lock.acquire()
                if not os.path.lexists(path / RUN_JSON):
                    with disk_errors(path, "the RUN folder"):
                        return cls(path, write_first(path, network, text, plain, data_identity), lock)
            lock.release()  # another writer made it just now
        run = cls.open(path, writing=True)
        with _released_on_error(run.lock):
            refuse_other(path, run.document, run._spec(), network, plain, data_identity)
        return run

    @classmethod
    def open(cls, path: str | Path, *, writing: bool = False) -> "RunFolder":
        """Open a RUN at its current checkpoint; every file is checked by its sha256.

        Args:
            path: The folder.
            writing: Take the writer's lock first, to resume training.

        Raises:
            RunFolderError: No RUN, damaged, of a newer version, or another writer is at it.
        """
        path = Path(path)
        if not os.path.isdir(path):
            raise RunFolderError(f"{path}: no such folder; give the RUN folder that mep-neuro train wrote")
        if not os.path.lexists(path / RUN_JSON):
            raise RunFolderError(
                f"{path}: no {RUN_JSON}, so no RUN or one whose creation was cut short; train into it again"
            )
        lock = WriterLock(path)
        with _released_on_error(lock):
            if writing:
                parse(read_regular(path, RUN_JSON), path / RUN_JSON)  # no lock file in somebody's folder
                lock.acquire()
            return cls(path, verified(path), lock)

    @property
    def step(self) -> int:
        """Step of the current checkpoint; 0 before training."""
        return self.document.step

    @property
    def settings(self) -> dict[str, Any]:
        """The settings it was created with, as a copy."""
        return copy.deepcopy(self.document.settings)

    @property
    def data_identity(self) -> str:
        """Identity of the data set it is trained on."""
        return self.document.data

    def network(self) -> Network:
        """The network at the current checkpoint, weights in float64.

        Raises:
            RunFolderError: A file was damaged since the RUN was opened, or the weights do not fit.
        """
        spec, weights = self._spec(), self.weights()
        try:
            return build(spec).with_arrays(weights)
        except ValueError as error:
            raise RunFolderError(f"{self.path}: weights do not fit {NETWORK} ({error}); {RESTORE}") from error

    def weights(self) -> dict[str, NDArray[Any]]:
        """The weights as they were saved, dtype included.

        Raises:
            RunFolderError: The file was damaged since the RUN was opened.
        """
        return self._arrays(checkpoint_files(self.document.checkpoint)[0])

    def state(self) -> dict[str, NDArray[Any]]:
        """Optimizer and random state as they were saved; empty at step 0.

        Raises:
            RunFolderError: The file was damaged since the RUN was opened.
        """
        return self._arrays(checkpoint_files(self.document.checkpoint)[1])

    def metrics(self) -> list[dict[str, Any]]:
        """The records up to the current checkpoint.

        Raises:
            RunFolderError: The file was damaged since the RUN was opened.
        """
        return [json.loads(line) for line in read_metrics(self.path, self.document.metrics).splitlines()]

    def save(
        self,
        step: int,
        weights: Mapping[str, NDArray[Any]],
        state: Mapping[str, NDArray[Any]],
        metrics: list[dict[str, Any]],
    ) -> "RunFolder":
        """Save a checkpoint; it and the one before it are kept.

        Args:
            step: Above the current step.
            weights: Names and shapes as in `Network.arrays()`; any dtype of numbers, which is kept.
            state: Optimizer and random state, which `state` gives back.
            metrics: Records since the last checkpoint.

        Returns:
            The RUN at the new checkpoint.

        Raises:
            RunFolderError: The arguments do not fit, another writer is or was at the folder, or the disk
                refused; the checkpoint before is whole then.
        """
        refuse_misfit(self.path, self.document, step, weights)
        checkpoint = f"step-{step}"
        packed_weights = pack(f"{self.path}: weights of {checkpoint}", weights)
        packed_state = pack(f"{self.path}: state of {checkpoint}", state)
        digests = sha256(packed_weights), sha256(packed_state)
        lines = [json_line(self.path, record) for record in metrics]
        self.lock.acquire()
        refuse_stale(self.path, self.document)
        with disk_errors(self.path, f"checkpoint {checkpoint}"):
            remove_leftovers(self.path, self.document.checkpoints)
            part = append_metrics(self.path, self.document.metrics, lines)
            write_checkpoint(self.path, checkpoint, packed_weights, packed_state)
            document = self.document.after(checkpoint, digests, part)
            replace_file(self.path / RUN_JSON, render(document))
        with suppress(OSError):  # it is saved; an old checkpoint too many waits for the next save
            remove_leftovers(self.path, document.checkpoints)
        return replace(self, document=document)

    def close(self) -> None:
        """Give the writer's lock back."""
        self.lock.release()

    def __enter__(self) -> "RunFolder":
        """Give the lock back at the end of the block, whichever RunFolder of this RUN is then the last."""
        return self

    def __exit__(self, *error: object) -> None:
        """Give the writer's lock back."""
        self.close()

    def _spec(self) -> NetworkSpec:
        text = read_whole(self.path, NETWORK, self.document.files[NETWORK]).decode()
        return parse_spec(text, str(self.path / NETWORK))

    def _arrays(self, name: str) -> dict[str, NDArray[Any]]:
        try:
            content = read_whole(self.path, name, self.document.files[name])
        except RunFolderError:
            refuse_stale(self.path, self.document)
            raise
        return unpack(self.path / name, content)


@contextmanager
def _released_on_error(lock: WriterLock) -> Iterator[None]:
    """A traceback may live long, in a test or a notebook: the lock must not."""
    try:
        yield
    except BaseException:
        lock.release()
        raise
