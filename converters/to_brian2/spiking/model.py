"""A spiking network in Brian2, and how to show it something."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.converted import Converted, Progress
from mep_neuro.converters.to_brian2.objects import code_generation, import_brian2, require_runtime
from mep_neuro.converters.to_brian2.spiking.equations import unit_text
from mep_neuro.converters.to_brian2.spiking.seen import recording
from mep_neuro.converters.to_brian2.standalone.settle import refuse_what_was_not_built, weights
from mep_neuro.errors import StimulusError
from mep_neuro.simulation.recording import Recording
from mep_neuro.simulation.spiking import constant_current, neuron_of, spiking_currents
from mep_neuro.simulation.stimulus import Stimulus

Array = NDArray[np.float64]
TRACES = ("ep_sent_", "ep_membrane_")  # monitors of our own, two a population


@dataclass(frozen=True)
class SpikingConverted(Converted):  # type: ignore[misc]  # Any on a bare checkout
    """A spiking network in Brian2: as `Converted`, and phases of slots.

    Attributes:
        slots: Slots of a phase.
        signs: Sign of the nudge in each phase; the first is the free phase, 0.
    """

    slots: int = 0
    signs: tuple[float, ...] = (0.0,)

    def run(
        self,
        stimulus: Stimulus | NDArray[np.floating],
        duration: Any = None,
        *,
        tolerance: float | None = None,
        trace: bool = False,
        report: Any = None,
        progress: Progress | None = None,
        nudge: Mapping[str, Array] | None = None,
    ) -> Recording:
        """Present a stimulus from rest, through all phases in one run of Brian2.

        Args:
            stimulus: A stimulus, or features of shape (samples, n_input).
            duration: All phases by default; another one is refused, as windows would be cut.
            tolerance: Without meaning here: a phase ends with its slots.
            trace: Whether to record spikes and membranes of every slot (a standalone program: where it
                was converted with trace=True).
            report: Brian2's own report, such as 'text'.
            progress: Called with (slots done, all slots) now and then.
            nudge: Currents by population, shape (samples, n) each, times the sign of each phase.

        Returns:
            The recording of the first phase; `phases()` holds the rates of all.

        Raises:
            StimulusError: It does not fit, is too large, or the duration is another.
            UnsupportedError: As `Converted.run`.
        """
        began, shown, slots = time.perf_counter(), self.present(stimulus), self.slots * len(self.signs)
        if duration is not None and round(float(duration) / self.dt) != slots:
            raise StimulusError(
                f"brian2: a run of spiking neurons lasts {slots} slots of {self.dt:g} s; leave duration out"
            )
        told = self._currents(shown, nudge)
        if self.program is None:
            monitors = self._run_here(told, slots, trace, report, progress)
        else:
            monitors = self._run_program(told, slots, trace, report)
        if progress is not None:
            progress(slots, slots)
        found: Recording = recording(self, shown, monitors, time.perf_counter() - began)
        return found

    def phases(self) -> list[dict[str, Array]]:
        """What the window of each phase reads, shape (samples, n) of each population."""
        return [
            {
                name: self.by_sample(getattr(group, f"read{phase}"))
                / neuron_of(self.source, name).window(self.slots, nudged=phase > 0).sum()
                for name, group in self.populations.items()
            }
            for phase in range(len(self.signs))
        ]

    def present(self, stimulus: Stimulus | NDArray[np.floating]) -> Stimulus:
        """Set the drives to a stimulus (or features, shape (samples, n_input)), and every unit to rest."""
        shown: Stimulus = self.fitting(stimulus)
        if self.program is None:
            self._write(self._currents(shown, None))
        return shown

    def rates(self) -> dict[str, Array]:
        """Rates of the first phase, shape (samples, n) each."""
        return self.phases()[0]

    def _currents(self, shown: Stimulus, nudge: Mapping[str, Array] | None) -> dict[str, NDArray[Any]]:
        """State at rest and currents on the grid, by 'object.variable'."""
        operator = spiking_currents(self.source)
        drive = operator.split(constant_current(operator, shown))
        zero = Stimulus(shown.rates, {name: np.zeros_like(d) for name, d in shown.drive.items()})
        pull = operator.split(constant_current(operator, zero, nudge))
        values: dict[str, NDArray[Any]] = {}
        for name, group in self.populations.items():
            values |= self._rest(name, group)
            values[f"{group.name}.drive"] = drive[name].ravel()
            values[f"{group.name}.nudge"] = pull[name].ravel() if nudge is not None else np.zeros(1)
        return values

    def _rest(self, name: str, group: Any) -> dict[str, NDArray[Any]]:
        rest = neuron_of(self.source, name).rest((1,))
        text = unit_text(self.source.populations[name].model, name, len(self.signs))
        start = {"v": rest.v, "i_syn": rest.i, "sigma": rest.i, "s": rest.s, "m": rest.m}
        start |= {"arriving": np.zeros(1)}
        start |= {f"{variable}_free": value for variable, value in start.items()}
        start |= {"messages": np.zeros(1, dtype=np.int32)}
        start |= {f"read{phase}": np.zeros(1) for phase in range(len(self.signs))}
        held = {line.split(" :")[0] for line in text.equations.splitlines()}
        return {f"{group.name}.{variable}": value for variable, value in start.items() if variable in held}

    def _write(self, values: Mapping[str, NDArray[Any]]) -> None:
        for group in self.populations.values():
            group.begin = self.network.t
            for name, value in values.items():
                owner, variable = name.split(".")
                if owner == group.name:
                    setattr(group, variable, value if value.size > 1 else value.item())

    def _run_here(
        self,
        told: Mapping[str, NDArray[Any]],
        slots: int,
        trace: bool,
        report: Any,
        progress: Progress | None,
    ) -> dict[str, tuple[Any, Any]]:
        brian2 = import_brian2()
        require_runtime(brian2)
        self._write(told)
        monitors = make_monitors(brian2, self.populations) if trace else {}
        extra: list[Any] = [monitor for pair in monitors.values() for monitor in pair]
        if progress is not None:
            done = iter(range(1, slots + 1))
            clock = next(iter(self.populations.values())).clock
            extra.append(
                brian2.NetworkOperation(
                    lambda: progress(next(done), slots), clock=clock, when="end", name="ep_progress*"
                )
            )
        self.network.add(extra)
        try:
            with code_generation(brian2, self.target):
                self.network.run(slots * self.dt * brian2.second, report=report, namespace={})
        finally:
            self.network.remove(extra)
        return monitors

    def _run_program(
        self, told: Mapping[str, NDArray[Any]], slots: int, trace: bool, report: Any
    ) -> dict[str, tuple[Any, Any]]:
        assert self.program is not None
        made = {part.name: part for part in self.network.objects}
        monitors = {
            name: tuple(made[f"{start}{group.name}"] for start in TRACES)
            for name, group in self.populations.items()
            if f"{TRACES[0]}{group.name}" in made
        }
        ours = [monitor for pair in monitors.values() for monitor in pair]
        refuse_what_was_not_built(self, ours, None, trace, report)
        self.program.build(self.network, report="text")
        self.program.run(weights(self) | dict(told), slots * self.dt, output=report is not None)
        return monitors if trace else {}


def make_monitors(brian2: Any, groups: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Of each population what it sends, and its membrane after each slot."""
    return {
        name: (
            brian2.SpikeMonitor(
                group, variables="m" if "m" in group.variables else None, name=f"{TRACES[0]}{group.name}"
            ),
            brian2.StateMonitor(group, "v", record=True, when="end", name=f"{TRACES[1]}{group.name}"),
        )
        for name, group in groups.items()
    }
