"""Training inside Brian2: one run() shows every pattern, and between two patterns Python may look."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.backend import run
from mep_neuro.converters.to_brian2.learning.checks import refuse_unlearnable
from mep_neuro.converters.to_brian2.learning.consolidation import Consolidation
from mep_neuro.converters.to_brian2.learning.metrics import EpochMetrics
from mep_neuro.converters.to_brian2.learning.plastic import Maker, Plastic, make_plastic, namespace
from mep_neuro.converters.to_brian2.learning.schedule import Schedule, schedule
from mep_neuro.converters.to_brian2.learning.timetable import timetable
from mep_neuro.converters.to_brian2.objects import (
    code_generation,
    code_object_class,
    import_brian2,
    require_runtime,
)
from mep_neuro.errors import SettleError
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.readout import classes
from mep_neuro.simulation.recording import RunOptions

Array = NDArray[np.float64]
After = Callable[[dict[str, float] | None], None]

BETWEEN_PATTERNS = -10
"""Order of what Python does at the first tick of a pattern: before anything of the next one."""


TRACES = ("trace", "mean", "square")
"""What a synapse keeps from one update to the next; of a bias its unit keeps the same, as bias_trace, ..."""


class Trainer:
    """Learns labelled samples inside Brian2, with the order, batches and rates of training in torch.

    Attributes:
        plastic: The Brian2 objects; monitors may be added to `plastic.network` before `train`.
        plan: Which pattern is shown when.
        update: Updates done.
        epochs: Passes over the training part.
        updates_per_epoch: Batches in an epoch; the last may be smaller.
    """

    def __init__(
        self,
        network: Network,
        features: NDArray[np.floating],
        labels: NDArray[np.integer],
        *,
        epochs: int,
        target: str = "numpy",
        dt: float | None = None,
    ) -> None:
        """Make the objects; `prepare` or `load_state` comes next.

        Args:
            network: The network; not changed.
            features: Training part, shape (samples, n_input).
            labels: Classes, shape (samples,), integers from 0.
            epochs: Passes over the training part.
            target: Code generation target: 'numpy' or 'cython'.
            dt: Time step, seconds; the file's equilibrium.dt unless given.

        Raises:
            UnsupportedError: The network cannot learn inside Brian2; each reason is named.
            BackendMissingError: Brian2 is not installed or cannot be imported.
        """
        refuse_unlearnable(network)
        brian2, step = import_brian2(), network.spec.equilibrium.dt if dt is None else dt
        require_runtime(brian2)
        network = _encoded(network, features)
        times = timetable(network, step)
        self.plan: Schedule = schedule(network.spec, labels, epochs)
        self.epochs: int = epochs
        self.update: int = 0
        self.updates_per_epoch: int = self.plan.updates_per_epoch
        self._network, self._target, self._brian2 = network, target, brian2
        self._consolidation = Consolidation(network)
        maker = Maker(
            brian2=brian2,
            network=network,
            times=times,
            dt=step,
            code_class=code_object_class(target),
            namespace=namespace(
                brian2, network, np.asarray(features, dtype=np.float64), self.plan, times, step
            ),
            main=brian2.Clock(dt=step * brian2.second, name="ep_clock*"),
            tick=brian2.Clock(dt=step * times.unit * brian2.second, name="ep_tick*"),
        )
        self.plastic: Plastic = make_plastic(maker, self._consolidation.weights)
        self._metrics = EpochMetrics(network.spec.equilibrium.tolerance)
        self._shown = 0  # patterns since the objects were made
        self._first = 0  # patterns before that, in the plan
        self._good: dict[str, Array] = {}  # numbers of the last good update

    @property
    def updates(self) -> int:
        """Updates of the whole training."""
        return self.epochs * self.updates_per_epoch

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self.update >= self.updates

    def prepare(self) -> None:
        """Bound the weights; once, before the first update."""
        if self._consolidation.active:
            self._write(self._consolidation.begin(self.arrays()))

    def train(self, after: After = lambda record: None, updates: int | None = None) -> None:
        """Run the simulation to the end of the training.

        Args:
            after: Called after each update, with the epoch's metrics after its last one and None before.
            updates: Updates to do; all that are left unless given.

        Raises:
            SettleError: The activity diverged; the weights are those of the last good update.
        """
        last = self.updates if updates is None else min(self.updates, self.update + updates)
        patterns = self.plan.after(last) - self._first - self._shown
        if patterns <= 0:
            return
        self._good = self.arrays()
        duration = self.plastic.times.steps * self.plastic.dt * self._brian2.second
        clock = self._brian2.Clock(dt=duration, name="ep_pattern*")
        watch = _Watch(self, after, patterns)
        operation = self._brian2.NetworkOperation(
            watch.look, clock=clock, when="start", order=BETWEEN_PATTERNS, name="ep_between*"
        )
        network = self.plastic.network
        network.add(operation)
        try:
            with code_generation(self._brian2, self._target), np.errstate(over="ignore", invalid="ignore"):
                network.run(patterns * duration, namespace={})
        finally:
            network.remove(operation)
        watch.look()

    def pattern_done(self, after: After) -> None:
        """Take note of the pattern that has just been shown, and consolidate where that is due."""
        place = self._first + self._shown
        self._shown += 1
        output = self.plastic.populations[self._network.output.name]
        moved = max(
            float(np.max(_read(self.plastic.populations[p.name], "moved"))) for p in self._network.dynamic
        )
        self._metrics.add(_read(output, "answer"), int(self.plan.label[place]), moved)
        if self.plan.closes[place]:
            after(self._close(place))

    def _close(self, place: int) -> dict[str, float] | None:
        """The end of an update."""
        numbers = self.arrays()
        for name, values in numbers.items():
            if not np.isfinite(values).all():
                self._write(self._good)
                raise SettleError(
                    f"{name}: not finite after update {self.update + 1}, the weights were left as they were; "
                    "lower learning.lr or nudge.beta"
                )
        self.update += 1
        consolidation = self._consolidation
        if consolidation.active and self.update % consolidation.period == 0:
            traces = {name: self._trace(name) for name in consolidation.weights}
            numbers = consolidation.step(numbers, traces, float(self.plan.factor[place]))
            self._write(numbers)
            for name in consolidation.weights:
                self.plastic.places()[name][0].trace = 0.0
        self._good = numbers
        epoch, left = divmod(self.update, self.updates_per_epoch)
        if left:
            return None
        times, radius = self.plastic.times, consolidation.radius
        record: dict[str, float] = self._metrics.take(epoch, self.update, times, radius)
        return record

    def predict(self, features: NDArray[np.floating]) -> NDArray[np.int64]:
        """Classes by the free phase in Brian2, shape (samples,), many samples at once."""
        section = self._network.spec.equilibrium
        network = self._network.with_arrays(self.arrays())
        # Sweeps take fewer steps than the dynamics: max_steps of the file may be too few to settle.
        most = max(section.max_steps, 20 * self.plastic.times.free)
        options = RunOptions(tolerance=section.tolerance, max_steps=most)
        return classes(network, run(network, features, options).rates)

    def arrays(self) -> dict[str, Array]:
        """The present numbers by the names of `Network.arrays()`, float64."""
        numbers = {name: np.array(array) for name, array in self._network.arrays().items()}
        for name, (group, variable) in self.plastic.places().items():
            numbers[name] = self._shaped(name, _read(group, variable))
        return numbers

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Everything but the weights that a resumed trainer needs."""
        arrays: dict[str, NDArray[np.generic]] = {"trainer.sums": self._metrics.sums.copy()}
        for name, group, variable in self._traces():
            arrays[f"brian2.{name}.{variable}"] = _read(group, variable)
        return {**arrays, **self._consolidation.state()}

    def load_state(self, update: int, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Go on from an update; the network given must have had the weights of that update."""
        self.update, self._first = update, self.plan.after(update)
        self._metrics.sums = np.array(arrays["trainer.sums"], dtype=np.float64)
        for name, group, variable in self._traces():
            setattr(group, variable, arrays[f"brian2.{name}.{variable}"])
        for group in self.plastic.populations.values():
            group.first = self._first
        self._consolidation.load_state(arrays)

    def _traces(self) -> Iterator[tuple[str, Any, str]]:
        """Name of the number, group and variable of everything in `TRACES`."""
        for name, (group, variable) in self.plastic.places().items():
            prefix = "" if variable == "w" else f"{variable}_"
            yield from ((name, group, prefix + t) for t in TRACES if prefix + t in group.variables)

    def _trace(self, name: str) -> Array:
        return self._shaped(name, _read(self.plastic.places()[name][0], "trace"))

    def _shaped(self, name: str, values: Array) -> Array:
        """Values of each synapse (or unit) as the array that a RUN holds."""
        kind, part, _ = name.split(".")
        if kind == "populations":
            return values
        projection = self._network.projections[part]
        shaped = np.empty(projection.weight.size)
        shaped[projection.synapses.slot] = values
        return shaped.reshape(projection.weight.shape)

    def _write(self, numbers: Mapping[str, Array]) -> None:
        for name, (group, variable) in self.plastic.places().items():
            kind, part, _ = name.split(".")
            values = numbers[name].ravel()
            setattr(
                group,
                variable,
                values if kind == "populations" else values[self._network.projections[part].synapses.slot],
            )


class _Watch:
    """Called at the first tick of every pattern, and once after the run: at the end of every pattern."""

    def __init__(self, trainer: Trainer, after: After, patterns: int) -> None:
        self._trainer, self._after, self._left = trainer, after, patterns
        self._begun = False

    def look(self) -> None:
        """Take note of the pattern before."""
        if self._begun:
            self._trainer.pattern_done(self._after)
        self._begun = True


def _read(group: Any, variable: str) -> Array:
    return np.array(group.variables[variable].get_value(), dtype=np.float64)


def _encoded(network: Network, features: NDArray[np.floating]) -> Network:
    """The network with the offset of its input that the encoding asks for."""
    encoding = network.spec.populations[network.input.name].encoding
    if encoding is None or encoding.centre != "mean":
        return network
    name = f"populations.{network.input.name}.offset"
    return network.with_arrays({**network.arrays(), name: np.asarray(features, dtype=np.float64).mean(0)})
