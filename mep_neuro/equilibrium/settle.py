"""Settling: step until every sample rests, and tell how far from rest it is."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mep_neuro.equilibrium.modes import Mode
from mep_neuro.equilibrium.sweeps import Sweeps
from mep_neuro.equilibrium.synchronous import Synchronous
from mep_neuro.equilibrium.system import System
from mep_neuro.errors import SettleError

SOLVERS: dict[str, type[Sweeps] | type[Synchronous]] = {"sweeps": Sweeps, "synchronous": Synchronous}

LARGEST_CHANGE = 1e6
"""A step larger than this is divergence: rates are of order one."""


class Rest(NamedTuple):
    """Where a settle ended.

    Attributes:
        states: State of each block, shape (..., batch, n).
        membranes: Current under which each state was taken, same shapes.
        residual: Largest |s - rho(current)| of each sample, shape (batch,); NaN where it was not measured.
        steps: Steps each sample took, shape (batch,).
    """

    states: list[Tensor]
    membranes: list[Tensor]
    residual: Tensor
    steps: Tensor


class Limits(NamedTuple):
    """When a settle ends.

    Attributes:
        solver: Name of the solver.
        tolerance: Residual of a settled sample, dimensionless.
        max_steps: Steps after which it gives up.
        measured: False takes exactly `max_steps` steps and measures no residual.
    """

    solver: str
    tolerance: float
    max_steps: int
    measured: bool = True


def settle(
    system: System,
    mode: Mode,
    drive: Sequence[Tensor | None],
    start: Sequence[Tensor | None],
    limits: Limits,
    *,
    forth: bool = True,
    watch: Callable[[Tensor, Tensor], None] | None = None,
) -> Rest:
    """Relax every sample until its residual is at most the tolerance.

    A sample that rests leaves the work at once, so its result does not depend on the others.

    Args:
        system: Blocks and links.
        mode: What settles.
        drive: Constant current of each block, shape (..., batch, n); None is no current.
        start: States at the start, same shapes; None is zeros.
        limits: When to end.
        forth: Whether sweeps begin at the input's side.
        watch: Called after every step with the samples still at work and their residuals.

    Raises:
        SettleError: A value is not finite, or grows without bound.
    """
    work = SOLVERS[limits.solver](system, mode, drive, start, forth=forth)
    some = next(t for t in (*drive, *start) if t is not None)
    batch = some.shape[-2]
    steps = torch.full((batch,), limits.max_steps)
    if not limits.measured:
        for _ in range(limits.max_steps):
            work.step()
        states, membranes = _complete(work.states, work.membranes, some, system)
        return Rest(states, membranes, some.new_full((batch,), torch.nan), steps)
    rows = torch.arange(batch)
    residual = some.new_full((batch,), torch.inf)
    result: tuple[list[Tensor], list[Tensor]] | None = None
    for step in range(1, limits.max_steps + 1):
        change = work.measured_step()
        if watch is not None:
            watch(rows, work.residual())
        last = step == limits.max_steps
        if not last and not bool((change <= limits.tolerance).any()):
            _check(change, step)
            continue
        now = work.residual()
        _check(now, step)
        done = torch.ones_like(now, dtype=torch.bool) if last else now <= limits.tolerance
        if not bool(done.any()):
            continue
        states, membranes = _complete(work.states, work.membranes, some, system)
        if result is None and bool(done.all()):
            return Rest(states, membranes, now, steps.fill_(step))
        result = result or ([_room(s, batch) for s in states], [_room(v, batch) for v in membranes])
        finished = rows[done]
        for into, state in zip((*result[0], *result[1]), (*states, *membranes), strict=True):
            into.index_copy_(-2, finished, state[..., done, :])
        residual[finished], steps[finished] = now[done], step
        if bool(done.all()):
            break
        left = torch.nonzero(~done).squeeze(1)
        rows = rows[left]
        work.keep(left)
    assert result is not None  # the last step takes every sample
    return Rest(*result, residual, steps)


def _room(state: Tensor, batch: int) -> Tensor:
    return state.new_empty(*state.shape[:-2], batch, state.shape[-1])


def _complete(
    states: Sequence[Tensor | None], membranes: Sequence[Tensor | None], some: Tensor, system: System
) -> tuple[list[Tensor], list[Tensor]]:
    """Zeros where nothing ever arrived."""
    like = next((s for s in states if s is not None), some)

    def filled(tensors: Sequence[Tensor | None]) -> list[Tensor]:
        return [
            like.new_zeros(*like.shape[:-1], size) if tensor is None else tensor
            for tensor, size in zip(tensors, system.sizes, strict=True)
        ]

    return filled(states), filled(membranes)


def _check(change: Tensor, step: int) -> None:
    worst = float(change.max())
    if not worst < LARGEST_CHANGE:
        what = "grows without bound" if worst >= LARGEST_CHANGE else "is not finite"
        raise SettleError(
            f"settle: the state {what} at step {step} (change {worst:.1e}); "
            "lower the weights or set consolidation.spectral_bound below 1"
        )
