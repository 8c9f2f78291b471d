"""Training inside Brian2: what it is made of, and the ends of patterns, batches and epochs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.backend import run
from mep_neuro.converters.to_brian2.learning.checks import refuse_unlearnable
from mep_neuro.converters.to_brian2.learning.choice import choose_for_training
from mep_neuro.converters.to_brian2.learning.metrics import EpochMetrics
from mep_neuro.converters.to_brian2.learning.numbers import Numbers
from mep_neuro.converters.to_brian2.learning.schedule import Schedule, schedule
from mep_neuro.converters.to_brian2.learning.simulation import simulation
from mep_neuro.converters.to_brian2.learning.timetable import Timetable, timetable
from mep_neuro.converters.to_brian2.learning.told import shown
from mep_neuro.converters.to_brian2.objects import import_brian2
from mep_neuro.equilibrium.consolidation.consolidate import Consolidator
from mep_neuro.errors import SettleError
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.readout import classes
from mep_neuro.simulation.recording import RunOptions
from mep_neuro.simulation.spiking import is_spiking, neuron_of

Array = NDArray[np.float64]
After = Callable[[dict[str, float] | None], None]


class Trainer:
    """Learns labelled samples inside Brian2, with the order, batches and rates of training in torch.

    Attributes:
        plastic: The Brian2 objects; monitors may be added to `plastic.network` before `train`, made
            inside `making()`. In a standalone program they hold what its last start recorded.
        plan: Which pattern is shown when.
        target: Code generation target: 'numpy', 'cython' or 'cpp_standalone'.
        notes: How the target was chosen, in sentences.
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
        target: str = "auto",
    ) -> None:
        """Make the objects; `prepare` or `load_state` comes next.

        Args:
            network: The network; not changed.
            features: Training part, shape (samples, n_input).
            labels: Classes, shape (samples,), integers from 0.
            epochs: Passes over the training part.
            target: Code generation target; 'auto' chooses by the work.

        Raises:
            UnsupportedError: The network cannot learn inside Brian2; each reason is named.
            BackendMissingError: Brian2, or a compiler that is asked for, is not found.
        """
        refuse_unlearnable(network)
        brian2, step = import_brian2(), network.spec.equilibrium.dt
        self._network = network = _encoded(network, features)
        times: Timetable = timetable(network, step)
        self.plan: Schedule = schedule(network.spec, labels, epochs)
        self.epochs: int = epochs
        self.update: int = 0
        self.updates_per_epoch: int = self.plan.updates_per_epoch
        steps = self.plan.presentations * times.steps
        self.target, self.notes = choose_for_training(brian2, network, steps, target)
        self._consolidation = Consolidator(network)
        arrays: dict[str, Array] = shown(network, np.asarray(features, dtype=np.float64), self.plan)
        self.plastic, self._simulation = simulation(
            brian2, network, times, arrays, self._consolidation.weights, self.target
        )
        self._numbers = Numbers(network, self.plastic, self._simulation)
        self._numbers.write(network.arrays())
        self._metrics = EpochMetrics(_tolerance(network, times))
        self._place = 0  # of the next pattern in the plan
        self._good: dict[str, Array] = {}  # numbers of the last good update

    @property
    def updates(self) -> int:
        """Updates of the whole training."""
        return self.epochs * self.updates_per_epoch

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self.update >= self.updates

    @contextmanager
    def making(self) -> Iterator[None]:
        """Make monitors and other Brian2 objects for `plastic.network` inside; the same on every target."""
        with self._simulation.making():
            yield

    def prepare(self) -> None:
        """Bound the weights; once, before the first update."""
        if self._consolidation.active:
            self._numbers.write(self._consolidation.begin(self.arrays()))

    def train(self, after: After = lambda record: None, updates: int | None = None) -> None:
        """Run the simulation to the end of the training.

        Args:
            after: Called after an update, with the epoch's metrics after its last one and None before.
                A standalone program calls it when it ends: after a consolidation, or an epoch.
            updates: Updates to do; all that are left unless given.

        Raises:
            SettleError: The activity diverged; the weights are those of the last good update.
            BackendFailedError: A standalone program could not be compiled or run.
        """
        last = self.updates if updates is None else min(self.updates, self.update + updates)
        pieces = self._pieces(last)
        if not pieces:
            return
        self._good = self.arrays()

        def done(answer: Array, moved: float, open_: bool) -> None:
            self._pattern_done(answer, moved, after if open_ else None)

        self._simulation.show(pieces, self._place, done)

    def predict(self, features: NDArray[np.floating]) -> NDArray[np.int64]:
        """Classes by the free phase in Brian2, shape (samples,), many samples at once."""
        section = self._network.spec.equilibrium
        network = self._network.with_arrays(self.arrays())
        # Sweeps take fewer steps than the dynamics: max_steps of the file may be too few to settle.
        most = max(section.max_steps, 20 * self.plastic.times.free)
        options = RunOptions(tolerance=section.tolerance, max_steps=most, target="numpy")
        return classes(network, run(network, features, options).rates)

    def arrays(self) -> dict[str, Array]:
        """The present numbers by the names of `Network.arrays()`, float64."""
        return dict(self._numbers.read())

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Everything but the weights that a resumed trainer needs."""
        sums: dict[str, NDArray[np.generic]] = {"trainer.sums": self._metrics.sums.copy()}
        return {**sums, **self._numbers.state(), **self._consolidation.state()}

    def load_state(self, update: int, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Go on from an update; the network given must have had the weights of that update."""
        self.update, self._place = update, self.plan.after(update)
        self._metrics.sums = np.array(arrays["trainer.sums"], dtype=np.float64)
        self._numbers.load_state(arrays)
        if self.target != "cpp_standalone":  # whose program is told at each start
            for group in self.plastic.populations.values():
                group.first = self._place
        self._consolidation.load_state(arrays)

    def _pieces(self, last: int) -> list[int]:
        """Patterns between the ends at which Python has something to do, up to an update."""
        period = self._consolidation.period if self._consolidation.active else self.updates_per_epoch
        stops = [
            update
            for update in range(self.update + 1, last + 1)
            if update == last or update % period == 0 or update % self.updates_per_epoch == 0
        ]
        places = [self._place, *(self.plan.after(update) for update in stops)]
        return [end - begin for begin, end in pairwise(places)]

    def _pattern_done(self, answer: Array, moved: float, after: After | None) -> None:
        """Take note of a pattern that was shown; `after` is None where weights cannot be reached now."""
        place = self._place
        self._place += 1
        self._metrics.add(answer, int(self.plan.label[place]), moved)
        if not self.plan.closes[place]:
            return
        if after is None:
            self.update += 1
        else:
            after(self._close(place))

    def _close(self, place: int) -> dict[str, float] | None:
        """The end of an update."""
        numbers = self.arrays()
        for name, values in numbers.items():
            if not np.isfinite(values).all():
                self._numbers.write(self._good)
                raise SettleError(
                    f"{name}: not finite after update {self.update + 1}, the weights were left as they were; "
                    "lower learning.lr or nudge.beta"
                )
        self.update += 1
        consolidation = self._consolidation
        if consolidation.active and self.update % consolidation.period == 0:
            traces = self._numbers.traces(consolidation.weights)
            numbers = consolidation.step(numbers, traces, float(self.plan.factor[place]))
            self._numbers.write(numbers)
            self._numbers.clear_traces(consolidation.weights)
        self._good = numbers
        epoch, left = divmod(self.update, self.updates_per_epoch)
        if left:
            return None
        times, radius = self.plastic.times, consolidation.radius
        record: dict[str, float] = self._metrics.take(epoch, self.update, times, radius)
        return record


def _encoded(network: Network, features: NDArray[np.floating]) -> Network:
    """The network with the offset of its input that the encoding asks for."""
    encoding = network.spec.populations[network.input.name].encoding
    if encoding is None or encoding.centre != "mean":
        return network
    name = f"populations.{network.input.name}.offset"
    return network.with_arrays({**network.arrays(), name: np.asarray(features, dtype=np.float64).mean(0)})


def _tolerance(network: Network, times: Timetable) -> float:
    """How far a unit of a settled pattern may be off: the file's tolerance, or what read-outs resolve."""
    if not is_spiking(network):
        return network.spec.equilibrium.tolerance
    return max(neuron_of(network, p.name).resolution(times.free) for p in network.dynamic)
