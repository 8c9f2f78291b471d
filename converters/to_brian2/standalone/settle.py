"""Settle in a standalone program: it starts again from where it ended, until every sample has settled."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.seen import recording
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.currents import currents
from mep_neuro.simulation.recording import Recording
from mep_neuro.simulation.stimulus import Stimulus

if TYPE_CHECKING:
    from mep_neuro.converters.to_brian2.converted import Converted

Array = NDArray[np.float64]
CHUNK = 200  # steps of one start of the program while it waits for a tolerance; a start costs about 50 ms
TRACE = "ep_trace_"  # monitors of our own, one a population


def settle(
    model: "Converted",
    stimulus: Stimulus,
    most: int,
    *,
    tolerance: float | None,
    trace: bool,
    report: Any,
    progress: Callable[[int, int], None] | None,
) -> Recording:
    """Run at most so many steps; see `Converted.run`."""
    began, program = time.perf_counter(), model.program
    assert program is not None
    monitors = _monitors(model)
    refuse_what_was_not_built(model, list(monitors.values()), tolerance, trace, report)
    program.build(model.network, report="text")  # shown only where the user asks for it
    limit = model.source.spec.equilibrium.tolerance if tolerance is None else tolerance
    operator = currents(model.source)
    drive = operator.join(stimulus.drive)
    values = weights(model) | {
        f"{group.name}.drive": stimulus.drive[name].ravel() for name, group in model.populations.items()
    }
    chunk, done, away = most if tolerance is None else min(most, CHUNK), 0, np.zeros(model.samples, np.int64)
    membranes = {name: np.zeros((model.samples, p.size)) for name, p in model.source.populations.items()}
    parts: list[dict[str, Array]] = []
    while True:
        steps = min(chunk, most - done)
        for name, group in model.populations.items():
            values[f"{group.name}.v"] = membranes[name].ravel()
            values[f"{group.name}.away"] = np.array([-1])
            values[f"{group.name}.tolerance"] = np.array([limit])
        program.run(values, steps * model.dt, output=report is not None)
        membranes = model.membranes()
        away = _last_away(model, away, done)
        if trace:
            parts.append({name: model.steps(monitor.r) for name, monitor in monitors.items()})
        done += steps
        residual = operator.residual(drive, operator.join(model.rates()))
        ended = done == most or bool(np.all((residual <= limit) | ~np.isfinite(residual)))
        if progress is not None:
            progress(done, done if ended else most)
        if ended:
            break
    traced = {name: np.concatenate([part[name] for part in parts]) for name in (monitors if trace else ())}
    curve = _curve(operator, drive, traced) if trace else None
    found: Recording = recording(
        model,
        rates=model.rates(),
        residual=residual,
        steps=np.where(residual <= limit, np.maximum(away + 1, 1), done),
        tolerance=limit,
        seconds=time.perf_counter() - began,
        curve=curve,
        trace=traced,
        notes=(program.built.note,) if program.built is not None else (),
    )
    return found


def weights(model: "Converted") -> dict[str, NDArray[Any]]:
    """Weights and gains of every projection, by 'object.variable'."""
    return {
        f"{made.name}.{variable}": value
        for name, made in model.projections.items()
        for variable, value in model.weight_values(model.source.projections[name]).items()
    }


def _monitors(model: "Converted") -> dict[str, Any]:
    """The monitors of the trace, by the population's name; empty where it was converted without."""
    made = {part.name: part for part in model.network.objects}
    return {
        name: made[f"{TRACE}{group.name}"]
        for name, group in model.populations.items()
        if f"{TRACE}{group.name}" in made
    }


def _last_away(model: "Converted", away: NDArray[np.int64], before: int) -> NDArray[np.int64]:
    """The last step at which any unit of a sample was away from its fixed point."""
    last = np.max(
        [model.by_sample(group.away).max(axis=1) for group in model.populations.values()], axis=0
    ).astype(np.int64)
    return np.where(last >= 0, last + before, away)


def _curve(operator: Any, drive: Array, trace: dict[str, Array]) -> Array:
    rates = operator.join(trace)
    return np.stack([operator.residual(drive, now) for now in rates])


def refuse_what_was_not_built(
    model: "Converted", monitors: list[Any], tolerance: float | None, trace: bool, report: Any
) -> None:
    """Refuse what the program cannot do.

    Args:
        model: Its model.
        monitors: The monitors of our own, which a trace needs.
        tolerance: As in `Converted.run`; `trace` and `report` too.
        trace: Whether one is asked for.
        report: Brian2's report.

    Raises:
        UnsupportedError: A trace that it does not record, a report in Python, a monitor of another
            device, or one that would see only a part of the run.
    """
    if trace and not monitors:
        raise UnsupportedError(
            "brian2: this standalone program records no trace; convert with trace=True, or add a monitor"
        )
    if report not in (None, "text", "stdout"):
        raise UnsupportedError(
            f"brian2: report {report!r} is not possible in a standalone program; write 'text'"
        )
    own = {*model.populations.values(), *model.projections.values(), *monitors}
    added = [part for part in model.network.objects if part not in own]
    program = model.program
    for part in added:
        device = getattr(part, "variables", None) and part.variables.device
        if device is not None and program is not None and device is not program.device:
            raise UnsupportedError(
                f"brian2: '{part.name}' was made on another device; make it inside `with model.making():`"
            )
    if added and tolerance is not None:
        raise UnsupportedError(
            f"brian2: '{added[0].name}' would see only the last part of a run that waits for a tolerance in "
            "a standalone program; run a duration, without tolerance"
        )
