"""A converted network: the Brian2 objects, and how to show them something."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2 import runtime
from mep_neuro.converters.to_brian2.standalone import settle as standalone
from mep_neuro.converters.to_brian2.standalone.program import Program
from mep_neuro.errors import StimulusError
from mep_neuro.simulation.conversion import ConversionReport
from mep_neuro.simulation.network import Network, Projection
from mep_neuro.simulation.recording import Recording
from mep_neuro.simulation.stimulus import Stimulus, present

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]
Values = Callable[[Projection], dict[str, Array]]


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
    """A network in Brian2; add monitors to `network` before the run, made inside `making()`.

    Attributes:
        network: The brian2.Network that holds everything.
        populations: NeuronGroup of each settling population: membrane v, rate r, current, drive, tau_mem.
        projections: Synapses of each projection between settling populations: weight w, gain g. A
            projection that is a dense product has a NeuronGroup of weights, (n_post * n_pre,).
        report: What is exact, and what is kept outside Brian2.
        source: The network it was made from.
        samples: Presentations at once: unit i of sample b is neuron b * n + i of its group.
        dt: Time step, seconds.
        target: Code generation target: 'numpy', 'cython' or 'cpp_standalone'.
        notes: How the target was chosen, in sentences.
        weight_values: The variables of a projection's object, by name.
        program: The standalone program; None on the runtime targets.
    """

    network: Any
    populations: Mapping[str, Any]
    projections: ProjectionTable
    report: ConversionReport
    source: Network
    samples: int
    dt: float
    target: str
    notes: tuple[str, ...]
    weight_values: Values
    program: Program | None = None

    @contextmanager
    def making(self) -> Iterator[None]:
        """Make monitors and other Brian2 objects for `network` inside; the same on every target.

        with model.making():
            model.network.add(brian2.StateMonitor(model.populations["hidden"], "v", record=True))
        """
        if self.program is None:
            yield
        else:
            with self.program.making():
                yield

    def describe(self) -> str:
        """Every object with its equations and sizes, as text."""
        lines = [
            f"network '{self.source.spec.name}': {self.samples} samples, dt {self.dt:g} s, {self.target}"
        ]
        for kind, table in (("population", self.populations), ("projection", self.projections)):
            for name, made in table.items():
                lines += [
                    "",
                    f"{kind} '{name}': {type(made).__name__} '{made.name}'",
                    str(made.equations).strip(),
                ]
                lines += [f"{r.name}, at '{r.when}': {r.abstract_code}" for r in _operations(made)]
                for event, condition in getattr(made, "events", {}).items():
                    lines.append(f"{event}, at 'thresholds': {condition}")
                    lines.append(f"after a {event}, at 'resets': {made.event_codes[event]}")
        return "\n".join(lines)

    @property
    def equations(self) -> Mapping[str, Any]:
        """Brian2's Equations of each population and projection, by the names of the file."""
        return {name: made.equations for name, made in {**self.populations, **self.projections}.items()}

    def with_weights(self, network: Network) -> "Converted":
        """The same objects with the numbers of another network of the same topology file.

        On a standalone program nothing is compiled again: the next run is told the new numbers.

        Raises:
            StimulusError: Its populations or synapses are others.
        """
        for name in self.projections:
            ours, theirs = self.source.projections[name], network.projections.get(name)
            if theirs is None or not all(
                np.array_equal(getattr(ours.synapses, end), getattr(theirs.synapses, end))
                for end in ("pre", "post")
            ):
                raise StimulusError(
                    f"brian2: projection '{name}' has other synapses in the network given; convert that one"
                )
        model = replace(self, source=network)
        if self.program is None:
            model.set_weights()
        return model

    def set_weights(self) -> None:
        """Write the weights of `source` into the Brian2 objects (runtime targets)."""
        for name, made in self.projections.items():
            for variable, value in self.weight_values(self.source.projections[name]).items():
                setattr(made, variable, value if value.size > 1 else value.item())

    def present(self, stimulus: Stimulus | NDArray[np.floating]) -> Stimulus:
        """Set the drives to a stimulus (or features, shape (samples, n_input)), and v to 0.

        A standalone program is told both when it starts.

        Raises:
            StimulusError: It does not fit the input population or the number of samples.
        """
        shown = self.fitting(stimulus)
        if self.program is None:
            for name, group in self.populations.items():
                group.drive = shown.drive[name].ravel()
                group.v = 0.0
        return shown

    def fitting(self, stimulus: Stimulus | NDArray[np.floating]) -> Stimulus:
        """The stimulus, or what the features make.

        Raises:
            StimulusError: It does not fit the input population or the number of samples.
        """
        shown = stimulus if isinstance(stimulus, Stimulus) else present(self.source, stimulus)
        if shown.samples != self.samples:
            raise StimulusError(
                f"brian2: {shown.samples} presentations to a network converted for {self.samples}; "
                f"convert with samples={shown.samples}"
            )
        return shown

    def membranes(self) -> dict[str, Array]:
        """Membranes v as they are now, shape (samples, n) each."""
        return {name: self.by_sample(group.v) for name, group in self.populations.items()}

    def rates(self) -> dict[str, Array]:
        """Rates r as they are now, shape (samples, n) each."""
        if self.program is None:
            return {name: self.by_sample(group.r) for name, group in self.populations.items()}
        return {name: self.source.populations[name].rate(v) for name, v in self.membranes().items()}

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
            trace: Whether to record the rates after every step; a standalone program can only where
                it was converted with trace=True.
            report: Brian2's own report, such as 'text'.
            progress: Called with (steps done, most steps) now and then.

        Returns:
            The recording; row k of its curve and trace is the state after k + 1 steps. A standalone
            program has a curve only with a trace.

        Raises:
            StimulusError: It does not fit the input population or the number of samples.
            UnsupportedError: The user has set another device than 'runtime' on a runtime target, or asks
                a standalone program for what it was not built for.
            BackendMissingError: A compiler is needed and missing.
            BackendFailedError: The compiler or the program failed.
        """
        settle = runtime.settle if self.program is None else standalone.settle
        recording: Recording = settle(
            self,
            self.present(stimulus),
            max(1, round(float(duration) / self.dt)),
            tolerance=tolerance,
            trace=trace,
            report=report,
            progress=progress,
        )
        return recording

    def by_sample(self, values: Any) -> Array:
        """Values of one group, shape (samples, n)."""
        return np.array(values, dtype=np.float64).reshape(self.samples, -1)

    def steps(self, recorded: Any) -> Array:
        """What a StateMonitor of one group recorded, shape (steps, samples, n)."""
        return np.array(recorded, dtype=np.float64).T.reshape(recorded.shape[1], self.samples, -1)


def _operations(made: Any) -> list[Any]:
    return [part for part in made.contained_objects if getattr(part, "abstract_code", None)]
