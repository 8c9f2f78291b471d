"""Settling: step until every sample rests, and tell how far from rest it is."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from mep_neuro.equilibrium.couplings.units_first import chosen, together
from mep_neuro.equilibrium.solvers.anderson import Anderson
from mep_neuro.equilibrium.solvers.event_driven import EventDriven
from mep_neuro.equilibrium.solvers.lean import Lean
from mep_neuro.equilibrium.solvers.modes import Mode
from mep_neuro.equilibrium.solvers.momentum import Momentum
from mep_neuro.equilibrium.solvers.solver import Make, Solver, complete
from mep_neuro.equilibrium.solvers.sweeps import Sweeps
from mep_neuro.equilibrium.solvers.synchronous import Synchronous
from mep_neuro.equilibrium.system import System
from mep_neuro.errors import SettleError

SOLVERS: dict[str, Make] = {
    "sweeps": Sweeps,
    "synchronous": Synchronous,
    "momentum": Momentum,
    "anderson": Anderson,
    "lean": Lean,
    "event_driven": EventDriven,
}

LARGEST_CHANGE = 1e6
"""A step larger than this is divergence: rates are of order one."""


class Rest(NamedTuple):
    """Where a settle ended.

    Attributes:
        states: State of each block, shape (..., batch, n).
        membranes: Current under which each state was taken, same shapes; None where the solver keeps none.
        residual: Largest |s - rho(current)| of each sample, shape (batch,); NaN where it was not measured.
        steps: Steps each sample took, shape (batch,).
        events: Synaptic events of each sample, shape (batch,); None where the solver counts none.
    """

    states: list[Tensor]
    membranes: list[Tensor] | None
    residual: Tensor
    steps: Tensor
    events: Tensor | None


class Limits(NamedTuple):
    """When a settle ends.

    Attributes:
        solver: Name of the solver.
        tolerance: Residual of a settled sample, dimensionless.
        max_steps: Steps after which it gives up.
        measured: False takes exactly `max_steps` steps, however far from rest.
        told: Whether the residual after a fixed number of steps is measured; NaN if not.
    """

    solver: str
    tolerance: float
    max_steps: int
    measured: bool = True
    told: bool = False


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
    batch, dtype = some.shape[-2], some.dtype
    del some, start  # their room is for what follows
    if not limits.measured:
        for _ in range(limits.max_steps):
            work.step()
        residual = _same(torch.nan, batch, dtype)
        if limits.told:
            residual = work.residual()
            check_change(residual, limits.max_steps)
        return _rest(system, work, residual, _same(limits.max_steps, batch, torch.int64))
    residual = torch.full((batch,), torch.inf, dtype=dtype)
    steps = torch.full((batch,), limits.max_steps)
    rows = torch.arange(batch)
    events = None if work.events is None else torch.zeros_like(work.events)
    rested = _Rested()
    for step in range(1, limits.max_steps + 1):
        change = work.measured_step()
        if watch is not None:
            watch(rows, work.residual())
        last = step == limits.max_steps
        if not last and not bool((change <= limits.tolerance).any()):
            check_change(change, step)
            continue
        now = work.residual()
        check_change(now, step)
        # Both, so that a sample does not stop because another's change called for a look at the residual.
        done = (now <= limits.tolerance) & (change <= limits.tolerance)
        if last:
            done.fill_(True)
        if not bool(done.any()):
            continue
        everyone = bool(done.all())
        if everyone and len(rows) == batch:
            return _rest(system, work, now, steps.fill_(step))
        finished = rows[done]
        residual[finished], steps[finished] = now[done], step
        if events is not None and work.events is not None:
            events[finished] = work.events[done]
        if not work.in_place:
            rested.add(system, work, finished, done)
        if everyone:
            break
        left = torch.nonzero(~done).squeeze(1)
        rows = rows[left]
        work.keep(left)
    if work.in_place:
        return _rest(system, work, residual, steps)
    del work  # its room is for the whole batch's result
    return rested.together(residual, steps, events)


@lru_cache(maxsize=64)
def _same(value: float, samples: int, dtype: torch.dtype) -> Tensor:
    """One number for every sample, made once: a view of a single one, which torch lets nobody write into."""
    return torch.tensor(value, dtype=dtype).expand(samples)


class _Rested:
    """Samples at rest, in pieces: with those still at work they take the room of one batch."""

    def __init__(self) -> None:
        self._rows: list[Tensor] = []
        self._states: list[list[Tensor]] = []
        self._membranes: list[list[Tensor]] = []

    def add(self, system: System, work: Solver, rows: Tensor, done: Tensor) -> None:
        """Take what is done of the samples at work."""
        self._rows.append(rows)
        states, membranes = _complete(system, work)
        places = torch.nonzero(done).squeeze(1)
        self._states.append([chosen(state, places) for state in states])
        if membranes is not None:
            self._membranes.append([chosen(membrane, places) for membrane in membranes])

    def together(self, residual: Tensor, steps: Tensor, events: Tensor | None) -> Rest:
        """The whole batch in its order."""
        order = torch.argsort(torch.cat(self._rows))
        states = _joined(self._states, order)
        return Rest(states, _joined(self._membranes, order) or None, residual, steps, events)


def _joined(pieces: list[list[Tensor]], order: Tensor) -> list[Tensor]:
    """Block after block, each piece freed at once."""
    joined = []
    for block in range(len(pieces[0]) if pieces else 0):
        whole = together([piece[block] for piece in pieces])
        for piece in pieces:
            piece[block] = whole[..., :0, :]
        joined.append(chosen(whole, order))
    return joined


def _rest(system: System, work: Solver, residual: Tensor, steps: Tensor) -> Rest:
    """All samples came to their end at once."""
    states, membranes = _complete(system, work)
    return Rest(states, membranes, residual, steps, work.events)


def _complete(system: System, work: Solver) -> tuple[list[Tensor], list[Tensor] | None]:
    """Zeros where nothing ever arrived."""
    states, membranes = work.states, work.membranes
    if membranes is None:
        return complete(system, states, states), None
    return complete(system, states, membranes), complete(system, membranes, states)


def check_size(states: Iterable[Tensor], step: int) -> None:
    """The same of states whose changes were not looked at, by their root mean square.

    Raises:
        SettleError: Their root mean square is not finite, or as large as a change must not be.
    """
    for state in states:
        _refuse((float((state * state).sum()) / max(1, state.numel())) ** 0.5, step)


def check_change(change: Tensor, step: int) -> None:
    """Refuse states that are not finite, or grow without bound.

    Raises:
        SettleError: They do.
    """
    _refuse(float(change.max()), step)


def _refuse(worst: float, step: int) -> None:
    if not worst < LARGEST_CHANGE:
        what = "grows without bound" if worst >= LARGEST_CHANGE else "is not finite"
        raise SettleError(
            f"settle: the state {what} at step {step} (change {worst:.1e}); "
            "lower the weights or set consolidation.spectral_bound below 1"
        )
