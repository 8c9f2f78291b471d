"""Settle on Brian2's runtime targets, looking at the residual after every step."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.objects import code_generation, import_brian2, require_runtime
from mep_neuro.converters.to_brian2.seen import recording
from mep_neuro.simulation.currents import currents
from mep_neuro.simulation.recording import Recording
from mep_neuro.simulation.stimulus import Stimulus

if TYPE_CHECKING:
    from mep_neuro.converters.to_brian2.converted import Converted

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]
PROGRESS_EVERY = 20  # steps


def settle(
    model: "Converted",
    stimulus: Stimulus,
    most: int,
    *,
    tolerance: float | None,
    trace: bool,
    report: Any,
    progress: Progress | None,
) -> Recording:
    """Run at most so many steps; see `Converted.run`."""
    began, brian2 = time.perf_counter(), import_brian2()
    require_runtime(brian2)
    watch = _Watch(model, stimulus, most, tolerance, progress)
    clock = next(iter(model.populations.values())).clock
    extra = [brian2.NetworkOperation(watch.look, clock=clock, when="end", name="ep_watch*")]
    monitors = {
        name: brian2.StateMonitor(group, "r", record=True, when="end", name="ep_trace*")
        for name, group in model.populations.items()
        if trace
    }
    extra += monitors.values()
    model.network.add(extra)
    try:
        # Objects without a class of their own (a user's monitors) are made now, for this target.
        with (
            code_generation(brian2, model.target),
            np.errstate(over="ignore", invalid="ignore"),
        ):
            model.network.run(most * model.dt * brian2.second, report=report, namespace={})
    finally:
        model.network.remove(extra)
    above = ~(np.stack(watch.curve) <= watch.tolerance)
    last_above = len(above) - np.argmax(above[::-1], axis=0)
    found: Recording = recording(
        model,
        rates=model.rates(),
        residual=watch.curve[-1],
        # a sample has settled from the step after which it stayed within the tolerance
        steps=np.where(above.any(axis=0), np.minimum(last_above + 1, len(above)), 1),
        tolerance=watch.tolerance,
        seconds=time.perf_counter() - began,
        curve=np.stack(watch.curve),
        trace={name: model.steps(m.r) for name, m in monitors.items()},
    )
    return found


class _Watch:
    """Measures the residual after every step, by the package's own arithmetic rather than Brian2's."""

    def __init__(
        self,
        model: "Converted",
        stimulus: Stimulus,
        most: int,
        tolerance: float | None,
        progress: Progress | None,
    ) -> None:
        self.most = most
        self._model, self._stop, self._progress = model, tolerance is not None, progress
        self.tolerance = model.source.spec.equilibrium.tolerance if tolerance is None else tolerance
        self._operator = currents(model.source)
        self._drive = self._operator.join(stimulus.drive)
        self.curve: list[Array] = []

    def look(self) -> None:
        """Measure, and stop the run once every sample has settled or diverged."""
        rates = self._operator.rate(self._operator.join(self._model.membranes()))
        residual = self._operator.residual(self._drive, rates)
        self.curve.append(residual)
        done = bool(np.all((residual <= self.tolerance) | ~np.isfinite(residual))) and self._stop
        if done:
            self._model.network.stop()
        steps = len(self.curve)
        if self._progress is not None and (done or steps % PROGRESS_EVERY == 0 or steps == self.most):
            self._progress(steps, steps if done else self.most)
