"""Settling: step until every sample rests, and tell how far from rest it is."""

from collections.abc import Callable

import torch
from torch import Tensor

from mep_neuro.equilibrium.modes import Mode
from mep_neuro.equilibrium.sweeps import Sweeps
from mep_neuro.equilibrium.synchronous import Synchronous
from mep_neuro.equilibrium.system import System
from mep_neuro.errors import SettleError

SOLVERS = {"sweeps": Sweeps, "synchronous": Synchronous}

LARGEST_CHANGE = 1e6
"""A step larger than this is divergence: rates are of order one."""

Rest = tuple[list[Tensor], Tensor, Tensor]
"""States of each block, residual and steps of each sample."""


def settle(
    system: System,
    mode: Mode,
    drive: list[Tensor],
    start: list[Tensor],
    *,
    solver: str,
    tolerance: float,
    max_steps: int,
    watch: Callable[[Tensor, Tensor], None] | None = None,
) -> Rest:
    """Relax every sample until its residual is at most the tolerance.

    A sample that rests leaves the work at once, so its result does not depend on the others.

    Args:
        system: Blocks and links.
        mode: What settles.
        drive: Constant current of each block, shape (..., batch, n).
        start: States at the start, same shapes.
        solver: Name of the solver.
        tolerance: Residual of a settled sample, dimensionless.
        max_steps: Steps after which it gives up.
        watch: Called after every step with the samples still at work and their residuals.

    Returns:
        States, residual and steps; the residual tells which samples settled.

    Raises:
        SettleError: A value is not finite, or grows without bound.
    """
    work = SOLVERS[solver](system, mode, drive, start)
    batch = start[0].shape[-2]
    rows = torch.arange(batch, device=start[0].device)
    result: list[Tensor] | None = None
    residual = torch.full((batch,), torch.inf, dtype=start[0].dtype, device=start[0].device)
    steps = torch.full((batch,), max_steps, device=start[0].device)
    for step in range(1, max_steps + 1):
        change = work.measured_step()
        if watch is not None:
            watch(rows, work.residual())
        last = step == max_steps
        if not last and not bool((change <= tolerance).any()):
            _check(change, step)
            continue
        now = work.residual()
        _check(now, step)
        done = now <= tolerance
        if last:
            done = torch.ones_like(done)
        if bool(done.all()) and result is None:
            return work.states, now, steps.fill_(step)
        if bool(done.any()):
            result = result if result is not None else [torch.empty_like(s) for s in start]
            finished = rows[done]
            for into, state in zip(result, work.states, strict=True):
                into.index_copy_(-2, finished, state[..., done, :])
            residual[finished], steps[finished] = now[done], step
            if bool(done.all()):
                break
            left = torch.nonzero(~done).squeeze(1)
            rows = rows[left]
            work.keep(left)
    assert result is not None  # the last step takes every sample
    return result, residual, steps


def _check(change: Tensor, step: int) -> None:
    worst = float(change.max())
    if not worst < LARGEST_CHANGE:
        what = "grows without bound" if worst >= LARGEST_CHANGE else "is not finite"
        raise SettleError(
            f"settle: the state {what} at step {step} (change {worst:.1e}); "
            "lower the weights or set consolidation.spectral_bound below 1"
        )
