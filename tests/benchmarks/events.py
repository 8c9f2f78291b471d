"""Synaptic events of an event-driven settle, against dense sweeps that stop each sample early.

Both settle the free phase of trained networks to the same residual, sample by sample. A synaptic event is
one synapse carrying one unit's rate once. Dense: every update of a population sends all of its units, to
all synapses that carry them, forward and back (a population whose neighbours have not moved is not
updated, as in the solver). Event-driven: only units that differ from the value last sent by more
than epsilon send.

    saved_fraction           1 - events / dense events, at the network's own tolerance
    wallclock_ratio          event-driven over dense, process CPU time, whole free phase of the batch
    saved_at_epsilon_0       with epsilon 0, over dense sweeps that update all units of a lattice at once, as
                             events do: what is saved by units that do not move at all (silent or saturated;
                             none with tanh, where both counts must be equal)
    state_error              largest distance from the fixed point (float64, settled to 1e-12)
    residual                 largest residual at the end; mean_residual, that of the samples

Looks at the residual are counted in neither, nor is the input's current, which both take once.

The top level is of `mnist_mlp` where --data names a folder of MNIST's IDX files, else of `digits_mlp`.

Usage: python tests/benchmarks/events.py [--json] [--data DIR] [--quick]
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from copy import copy
from functools import partial
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor

from mep_neuro.backends.data.data_set import DataSet
from mep_neuro.backends.data.load import load_data
from mep_neuro.backends.load import load
from mep_neuro.equilibrium.fixed_point import FixedPoint
from mep_neuro.equilibrium.learning.trainer import Trainer
from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase
from mep_neuro.equilibrium.settle import SOLVERS
from mep_neuro.equilibrium.solvers.event_driven import EventDriven
from mep_neuro.equilibrium.solvers.modes import Mode
from mep_neuro.equilibrium.solvers.sweeps import Sweeps
from mep_neuro.equilibrium.system import System

REPEATS = 15
TOLERANCES = (1e-3, 1e-4, 1e-5)
MOST_SAMPLES = 3000  # of MNIST, for training
BATCH = 256


class CountedSweeps(Sweeps):
    """Dense sweeps that count what they send, and stop at the first half-sweep that meets the residual."""

    def __init__(
        self,
        system: System,
        mode: Mode,
        drive: Sequence[Tensor | None],
        states: Sequence[Tensor | None],
        *,
        forth: bool = True,
    ) -> None:
        super().__init__(system, mode, drive, states, forth=forth)
        samples = next(t for t in (*drive, *states) if t is not None).shape[-2]
        self.events = torch.zeros(samples, dtype=torch.float64)

    def _update(self, block: int, distances: list[Tensor] | None) -> None:
        super()._update(block, distances)
        self.events += self._system.fan_out[block].sum()

    def measured_step(self) -> Tensor:
        """The residual itself: the solver's own change may call for one half-sweep more."""
        super().measured_step()
        return self.residual()

    def keep(self, rows: Tensor) -> None:
        super().keep(rows)
        self.events = self.events[rows]


class CountedAtOnce(CountedSweeps):
    """All units of a lattice at once."""

    def __init__(
        self,
        system: System,
        mode: Mode,
        drive: Sequence[Tensor | None],
        states: Sequence[Tensor | None],
        *,
        forth: bool = True,
    ) -> None:
        system = copy(system)
        system.lattices = [None] * len(system.lattices)
        super().__init__(system, mode, drive, states, forth=forth)


class CountedEvents(EventDriven):
    """The control: stops as the dense sweeps do."""

    def measured_step(self) -> Tensor:
        """The residual itself."""
        super().measured_step()
        return self.residual()


SOLVERS["counted_sweeps"] = CountedSweeps
SOLVERS["counted_at_once"] = CountedAtOnce
SOLVERS["epsilon_0"] = partial(CountedEvents, first_epsilon=0.0)


def trained(name: str, data: DataSet, epochs: int) -> EquilibriumNetwork:
    """A library network after some epochs."""
    model = load(name)
    trainer = Trainer(model, data.x_train[:MOST_SAMPLES], data.y_train[:MOST_SAMPLES], epochs=epochs)
    trainer.prepare()
    while not trainer.finished:
        metrics = trainer.advance()
    tell(f"{name}: trained, {metrics}")
    return model


def settled(model: EquilibriumNetwork, x: Tensor, solver: str, tolerance: float) -> FixedPoint:
    """The free phase of a batch, all of it at rest."""
    point = free_phase(model, x, solver=solver, tolerance=tolerance, max_steps=5000).point
    if not bool(point.settled.all()):
        raise SystemExit(f"{solver}: {point.status}")
    return point


def compare(model: EquilibriumNetwork, x: Tensor, tolerance: float) -> dict[str, float]:
    """Events and errors at one tolerance."""
    exact_model = EquilibriumNetwork(model.to_network(), torch.float64)
    exact = settled(exact_model, x.double(), "sweeps", 1e-12)
    found: dict[str, float] = {}
    counted = {}
    solvers = {
        "dense": "counted_sweeps",
        "event_driven": "event_driven",
        "at_once": "counted_at_once",
        "0": "epsilon_0",
    }
    for key, solver in solvers.items():
        point = settled(model, x, solver, tolerance)
        assert point.events is not None
        counted[key] = float(point.events.mean())
        if key in ("dense", "event_driven"):
            found[f"{key}_events_per_sample"] = counted[key]
            found[f"{key}_half_sweeps"] = float(point.steps.double().mean())
            found[f"{key}_residual"] = float(point.residual.max())
            found[f"{key}_mean_residual"] = float(point.residual.mean())
            found[f"{key}_state_error"] = max(
                float((state - exact.states[name]).abs().max()) for name, state in point.states.items()
            )
    found["saved_fraction"] = 1.0 - counted["event_driven"] / counted["dense"]
    found["saved_at_epsilon_0"] = 1.0 - counted["0"] / counted["at_once"]
    return found


def wall_clock(model: EquilibriumNetwork, x: Tensor, repeats: int) -> dict[str, float]:
    """Ratio of CPU times of whole free phases at the network's tolerance, interleaved."""
    tolerance = model.spec.equilibrium.tolerance
    ratios = []
    for _ in range(repeats):
        times = []
        for solver in ("sweeps", "event_driven"):
            start = time.process_time()
            settled(model, x, solver, tolerance)
            times.append(time.process_time() - start)
        ratios.append(times[1] / times[0])
    low, _, high = statistics.quantiles(ratios, n=4)
    return {
        "wallclock_ratio": statistics.median(ratios),
        "wallclock_ratio_low": low,
        "wallclock_ratio_high": high,
    }


def measure(folder: str | None, quick: bool) -> dict[str, Any]:
    """All figures, the headline network's at the top."""
    runs = [("digits_cube", "digits", 5), ("digits_mlp", "digits", 20)]
    if folder is not None:
        runs.append(("mnist_mlp", f"mnist:{folder}", 5))
    networks: dict[str, Any] = {}
    for name, source, epochs in runs:
        data = load_data(source)
        model = trained(name, data, 1 if quick else epochs)
        x = torch.as_tensor(data.x_test[: 16 if quick else BATCH], dtype=model.dtype)
        by_tolerance = {f"{t:.0e}": compare(model, x, t) for t in TOLERANCES}
        own = by_tolerance[f"{model.spec.equilibrium.tolerance:.0e}"]
        networks[name] = {**own, **wall_clock(model, x, 3 if quick else REPEATS)}
        one = wall_clock(model, x[:1], 3 if quick else REPEATS)
        networks[name]["wallclock_ratio_batch_1"] = one["wallclock_ratio"]
        networks[name]["saved_fraction_by_tolerance"] = {
            t: v["saved_fraction"] for t, v in by_tolerance.items()
        }
        tell(f"{name}: {networks[name]}")
    return {**networks[runs[-1][0]], "network": runs[-1][0], "networks": networks}


def tell(text: str) -> None:
    print(f"{time.process_time():6.1f} s  {text}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object on one line")
    parser.add_argument("--data", help="a folder of MNIST's IDX files")
    parser.add_argument("--quick", action="store_true", help="small sizes, for a smoke test")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {"events": measure(options.data, options.quick)}
    print(json.dumps(found, indent=None if options.json else 2))


if __name__ == "__main__":
    main()
