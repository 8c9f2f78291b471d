"""Data-parallel training: processes that share each batch, by torch.distributed.

Every process holds the whole network and draws the same batches. Of each batch it settles its own samples;
the contrasts are summed over the processes, weighted by samples, and every process takes the same
update. A sample settles alone (its steps do not depend on the others of its batch), so processes need not
agree on when to stop; dropout and the sign of a random-sign nudge depend on the update alone.

A settle that fails in one process fails in all of them, and leaves every weight as it was.
"""

import atexit
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from mep_neuro.errors import MepNeuroError, SettleError

T = TypeVar("T")

TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Environment variables in which torchrun, or submitit's `TorchDistributedEnvironment`, says who is where."""


def join() -> None:
    """Join the processes that torchrun started, over gloo, if it did and this process has not yet.

    A process group that exists is taken as it is, nccl too.
    """
    started = all(name in os.environ for name in TORCHRUN) and int(os.environ["WORLD_SIZE"]) > 1
    if started and dist.is_available() and not dist.is_initialized():
        dist.init_process_group("gloo")
        atexit.register(dist.destroy_process_group)


class Team:
    """The processes that train together; alone, all of this costs nothing.

    Attributes:
        rank: Place of this process, 0 for the first.
        size: Number of processes.
    """

    def __init__(self) -> None:
        """Take the process group as it is now."""
        together = dist.is_available() and dist.is_initialized()
        self.rank, self.size = (dist.get_rank(), dist.get_world_size()) if together else (0, 1)

    def own(self, rows: Tensor) -> Tensor:
        """This process's part of a batch's samples: every `size`-th of them."""
        return rows[self.rank :: self.size]

    def totals(self, numbers: NDArray[np.float64], failure: SettleError | None) -> NDArray[np.float64]:
        """Numbers summed over the processes.

        Raises:
            SettleError: This process gave its failure, or another one did.
        """
        if self.size > 1:
            sent = np.append(numbers, float(failure is not None))
            summed = self._sum(torch.from_numpy(sent)).numpy()
            numbers = summed[:-1]
            if summed[-1] and failure is None:
                failure = SettleError(
                    "settle: failed in another process, which says why; no weight has changed"
                )
        if failure is not None:
            raise failure
        return numbers

    def summed(self, contrast: Mapping[str, Tensor], share: float) -> Mapping[str, Tensor]:
        """`share` times the contrast, summed over the processes, in one message."""
        if self.size == 1:
            return contrast
        parts = {key: contrast[key] for key in contrast}
        buffer = self._sum(torch.cat([part.flatten() for part in parts.values()]).mul_(share))
        pieces = torch.split(buffer, [part.numel() for part in parts.values()])
        return {key: piece.view_as(parts[key]) for key, piece in zip(parts, pieces, strict=True)}

    def from_first(self, make: Callable[[], T]) -> T:
        """What the first process makes, in all of them; they all raise what it raises.

        Raises:
            MepNeuroError: Making it failed.
        """
        if self.size == 1:
            return make()
        outcome: list[Any] = [None, None]
        if self.rank == 0:
            try:
                outcome[0] = make()
            except MepNeuroError as error:
                outcome[1] = error
        dist.broadcast_object_list(outcome, src=0)
        if outcome[1] is not None:
            raise outcome[1]
        made: T = outcome[0]
        return made

    def _sum(self, own: Tensor) -> Tensor:
        where = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if _on_gpus() else own.device
        moved = own.to(where)
        dist.all_reduce(moved)
        return moved.to(own.device)


def _on_gpus() -> bool:
    return "nccl" in dist.get_backend()
