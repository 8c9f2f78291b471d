"""A converted network: the Brian2 objects, and how to show them something."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.objects import code_generation, import_brian2
from mep_neuro.errors import StimulusError
from mep_neuro.simulation.conversion import ConversionReport
from mep_neuro.simulation.currents import currents
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.readout import with_readout
from mep_neuro.simulation.recording import Recording
from mep_neuro.simulation.stimulus import Stimulus, present

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]
PROGRESS_EVERY = 20  # steps


class ProjectionTable(dict[str, Any]):
    """Synapses by the projection's name; 'pre->post' finds them too where it is one projection."""

    def __init__(self, synapses: Mapping[str, Any], network: Network) -> None:
        """Take the Synapses by name, and the network for the ends of each projection."""
        super().__init__(synapses)
        self._ends = {name: f"{q.pre}->{q.post}" for name, q in network.projections.items()}

    def __missing__(self, key: str) -> Any:
        """Look 'pre->post' up."""
        names = [name for name, ends in self._ends.items() if key in (name, ends)]
        if not names:
            raise KeyError(f"projection '{key}': unknown; known: {', '.join(self) or 'none'}")
        held = [name for name in names if name in self]
        if not held:
            raise KeyError(f"projection '{key}': does not settle, so it has no Synapses; see `report`")
        if len(held) > 1:
            raise KeyError(f"projection '{key}': {len(held)} of them; write one of {', '.join(held)}")
        return self[held[0]]


@dataclass(frozen=True)
class Converted:
    """A network in Brian2; add monitors to `network` before the run.

    Attributes:
        network: The brian2.Network that holds everything.
        populations: NeuronGroup of each settling population: membrane v, rate r, current, drive, tau_mem.
        projections: Synapses of each projection between settling populations: weight w, gain g.
        report: What is exact, and what is kept outside Brian2.
        source: The network it was made from.
        samples: Presentations at once: unit i of sample b is neuron b * n + i of its group.
        dt: Time step, seconds.
        target: Code generation target.
    """

    network: Any
    populations: Mapping[str, Any]
    projections: ProjectionTable
    report: ConversionReport
    source: Network
    samples: int
    dt: float
    target: str

    def present(self, stimulus: Stimulus | NDArray[np.floating]) -> Stimulus:
        """Set the drives to a stimulus (or features, shape (samples, n_input)), and v to 0.

        Raises:
            StimulusError: It does not fit the input population or the number of samples.
        """
        shown = stimulus if isinstance(stimulus, Stimulus) else present(self.source, stimulus)
        if shown.samples != self.samples:
            raise StimulusError(
                f"brian2: {shown.samples} presentations to a network converted for {self.samples}; "
                f"convert with samples={shown.samples}"
            )
        for name, group in self.populations.items():
            group.drive = shown.drive[name].ravel()
            group.v = 0.0
        return shown

    def membranes(self) -> dict[str, Array]:
        """Membranes v as they are now, shape (samples, n) each."""
        return {name: self._by_sample(group.v) for name, group in self.populations.items()}

    def rates(self) -> dict[str, Array]:
        """Rates r as Brian2 has them now, shape (samples, n) each."""
        return {name: self._by_sample(group.r) for name, group in self.populations.items()}

    def run(
        self,
        stimulus: Stimulus | NDArray[np.floating],
        duration: Any,
        *,
        tolerance: float | None = None,
        trace: bool = False,
        report: Any = None,
        progress: Progress | None = None,
    ) -> Recording:
        """Present a stimulus and run, from v = 0.

        Args:
            stimulus: A stimulus, or features of shape (samples, n_input).
            duration: Seconds, or a Brian2 time such as 100 * ms.
            tolerance: Stop once every sample's residual is at most this. None runs the whole
                duration; `settled` then says whether the file's equilibrium.tolerance is met.
            trace: Whether to record the rates after every step.
            report: Brian2's own report, such as 'text'.
            progress: Called with (steps done, most steps) now and then.

        Returns:
            The recording; row k of its curve and trace is the state after k + 1 steps.

        Raises:
            StimulusError: It does not fit the input population or the number of samples.
            UnsupportedError: The user has set another device than 'runtime'.
        """
        began, brian2 = time.perf_counter(), import_brian2()
        watch = _Watch(self, self.present(stimulus), duration, tolerance, progress)
        clock = next(iter(self.populations.values())).clock
        extra = [brian2.NetworkOperation(watch.look, clock=clock, when="end", name="ep_watch*")]
        monitors = {
            name: brian2.StateMonitor(group, "r", record=True, when="end", name="ep_trace*")
            for name, group in self.populations.items()
            if trace
        }
        extra += monitors.values()
        self.network.add(extra)
        try:
            with code_generation(brian2, self.target), np.errstate(over="ignore", invalid="ignore"):
                self.network.run(watch.most * self.dt * brian2.second, report=report, namespace={})
        finally:
            self.network.remove(extra)
        rates = with_readout(self.source, self.rates())
        return watch.recording(began, rates, {name: self._steps(m.r) for name, m in monitors.items()})

    def _by_sample(self, values: Any) -> Array:
        return np.array(values, dtype=np.float64).reshape(self.samples, -1)

    def _steps(self, recorded: Any) -> Array:
        return np.array(recorded, dtype=np.float64).T.reshape(recorded.shape[1], self.samples, -1)


class _Watch:
    """Measures the residual after every step, by the package's own arithmetic rather than Brian2's."""

    def __init__(
        self,
        model: Converted,
        stimulus: Stimulus,
        duration: Any,
        tolerance: float | None,
        progress: Progress | None,
    ) -> None:
        self.most = max(1, round(float(duration) / model.dt))
        self._model, self._stop, self._progress = model, tolerance is not None, progress
        self._tolerance = model.source.spec.equilibrium.tolerance if tolerance is None else tolerance
        self._operator = currents(model.source)
        self._drive = self._operator.join(stimulus.drive)
        self._curve: list[Array] = []

    def look(self) -> None:
        """Measure, and stop the run once every sample has settled or diverged."""
        rates = self._operator.rate(self._operator.join(self._model.membranes()))
        residual = self._operator.residual(self._drive, rates)
        self._curve.append(residual)
        done = bool(np.all((residual <= self._tolerance) | ~np.isfinite(residual))) and self._stop
        if done:
            self._model.network.stop()
        steps = len(self._curve)
        if self._progress is not None and (done or steps % PROGRESS_EVERY == 0 or steps == self.most):
            self._progress(steps, steps if done else self.most)

    def recording(self, began: float, rates: Mapping[str, Array], trace: Mapping[str, Array]) -> Recording:
        """What was seen; a sample has settled from the step after which it stayed within the tolerance."""
        model, curve = self._model, np.stack(self._curve)
        above = ~(curve <= self._tolerance)
        last_above = len(curve) - np.argmax(above[::-1], axis=0)
        steps = np.where(above.any(axis=0), np.minimum(last_above + 1, len(curve)), 1)
        diverged = int(np.count_nonzero(~np.isfinite(curve[-1])))
        notes = model.report.dropped
        if diverged:
            notes += (f"{diverged} of {model.samples} samples diverged; lower the weights or the gains",)
        return Recording(
            backend="brian2",
            rates=rates,
            steps=steps.astype(np.int64),
            settled=~above[-1],
            seconds=time.perf_counter() - began,
            residual_curve=curve,
            trace=trace,
            counts={
                "neurons": sum(map(len, model.populations.values())) / model.samples,
                "synapses": sum(map(len, model.projections.values())) / model.samples,
            },
            notes=notes,
        )
