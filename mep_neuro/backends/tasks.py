"""What one training run hands to the next, or to itself when it goes on."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.backends.run_folder import RunFolder
from mep_neuro.errors import RunFolderError, UnsupportedError
from mep_neuro.topology.spec import NetworkSpec

if TYPE_CHECKING:
    from mep_neuro.equilibrium.model import EquilibriumNetwork

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Learned:
    """A network after a task.

    Attributes:
        weights: By the names of `Network.arrays()`.
        state: Of the trainer, its task closed.
        where: Begins messages: the RUN folder, or 'the training before'.
    """

    weights: Arrays
    state: Arrays
    where: str = "the training before"

    @property
    def identity(self) -> str:
        """sha256 over all arrays (name, type, shape and bytes), as 64 hex digits."""
        digest = hashlib.sha256()
        for part in (self.weights, self.state):
            for name in sorted(part):
                array = np.ascontiguousarray(part[name])
                digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode() + array.tobytes())
        return digest.hexdigest()


def learned_in(run: str | Path) -> Learned:
    """What a RUN folder hands to the next task.

    Raises:
        RunFolderError: It is no RUN, or damaged.
    """
    folder = RunFolder.open(run)
    return Learned(folder.weights(), folder.state(), str(run))


def take_weights(net: "EquilibriumNetwork", learned: Learned) -> None:
    """Give the network the weights that an earlier task left.

    Raises:
        RunFolderError: They are another network's; names the first array that does not fit.
    """
    there = {name: array.shape for name, array in learned.weights.items()}
    own = {name: array.shape for name, array in net.arrays().items()}
    wrong = sorted(name for name in {*there, *own} if there.get(name) != own.get(name))
    if wrong:
        name = wrong[0]
        raise RunFolderError(
            f"{learned.where}: weights {name!r}: shape {there.get(name, 'missing')}, the network's is "
            f"{own.get(name, 'none of this name')}; go on after a training of this network"
        )
    net.load_arrays(learned.weights)


def resume(trainer: Any, folder: Path | str, step: int, state: Arrays) -> None:
    """Go on where a RUN stands.

    Raises:
        RunFolderError: Its state lacks what this version's trainer needs.
    """
    try:
        trainer.load_state(step, state)
    except (KeyError, ValueError) as error:
        raise RunFolderError(
            f"{folder}: its training state does not fit this version of mep-neuro ({error}); train into "
            "another folder, or go on with the version in its run.json"
        ) from error


def go_on(trainer: Any, learned: Learned) -> None:
    """Let a trainer go on after an earlier task.

    Raises:
        RunFolderError: What the topology wants kept was not measured there.
    """
    try:
        trainer.go_on_after(learned.state)
    except ValueError as error:
        raise RunFolderError(
            f"{learned.where}: {error}; train it to its end with the same consolidation section"
        ) from error


def refuse_tasks(spec: NetworkSpec, on: str, after: object) -> None:
    """Refuse tasks one after another where a simulator learns.

    Raises:
        UnsupportedError: They were asked for.
    """
    if on != "torch" and (after is not None or spec.consolidation.importance is not None):
        what = "consolidation.importance" if after is None else "going on after another task"
        raise UnsupportedError(f"train: {what} is for torch; remove it, or leave out on='{on}'")
