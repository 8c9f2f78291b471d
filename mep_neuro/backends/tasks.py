"""What one training run hands to the next, so that a network learns task after task."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.backends.run_folder import RunFolder
from mep_neuro.errors import RunFolderError

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


def check_learned(learned: Learned, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse what another network learned.

    Args:
        learned: What is to be gone on with.
        shapes: Of every array of the network.

    Raises:
        RunFolderError: Names the first array that does not fit.
    """
    there = {name: array.shape for name, array in learned.weights.items()}
    wrong = sorted(name for name in {*there, *shapes} if there.get(name) != shapes.get(name))
    if wrong:
        name = wrong[0]
        raise RunFolderError(
            f"{learned.where}: weights {name!r}: shape {there.get(name, 'missing')}, the network's is "
            f"{shapes.get(name, 'none of this name')}; go on after a training of this network"
        )
