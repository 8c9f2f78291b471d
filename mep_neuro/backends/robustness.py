"""How accuracy falls as hardware gets worse: fewer bits, dead units, lost messages, noisy weights.

Every point is measured: bits, stuck units and lost messages in the exact integer emulation of Loihi 2, the
input on the chip as well where its rates are between 0 and 1; noise and drift of analog weights in the float
network, settled in torch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mep_neuro.backends.registry import REFERENCE, find
from mep_neuro.chip.emulate import EmulatedRun, emulate
from mep_neuro.chip.faults import emulate_losing, stuck, with_drift, with_noise
from mep_neuro.chip.profile import read_profile
from mep_neuro.chip.quantize import Quantized, quantize
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.readout import classes, with_readout
from mep_neuro.simulation.recording import RunOptions
from mep_neuro.simulation.stimulus import present
from mep_neuro.simulation.weight_bits import rounded
from mep_neuro.topology.mistakes import unknown

if TYPE_CHECKING:
    from mep_neuro.equilibrium.model import EquilibriumNetwork

Features = NDArray[np.floating]
Labels = NDArray[np.integer]
Level = float | str
Classes = tuple[Labels, float]
"""Predicted classes, and the share of the samples that settled."""

CHIP = "loihi2"
TOLERANCE = 1e-6
MAX_STEPS = 2000  # ten times what the slowest sample of the digits takes
DRIFT_FROM = 20.0  # seconds after programming from which drift is counted
DAY = 86400.0


@dataclass(frozen=True)
class Point:
    """Accuracy under one fault.

    Attributes:
        fault: Its name, one of FAULTS.
        level: How much of it.
        accuracy: Mean accuracy over the draws.
        spread: Standard deviation over the draws; 0 where nothing is drawn.
        settled: Mean share of the samples that settled.
        draws: Number of draws.
    """

    fault: str
    level: Level
    accuracy: float
    spread: float
    settled: float
    draws: int


def robustness(
    net: "EquilibriumNetwork | Network",
    features: Features,
    labels: Labels,
    *,
    faults: Sequence[str] | None = None,
    draws: int = 3,
    seed: int = 0,
    watch: Callable[[int, int], None] | None = None,
) -> tuple[Point, ...]:
    """Measure accuracy against each fault, from none of it to all of it.

    Args:
        net: The trained network.
        features: Held-out samples, shape (samples, n_input).
        labels: Their classes, shape (samples,).
        faults: Some of FAULTS; all without.
        draws: Random draws of each level (which units, messages, deviations).
        seed: Of the draws.
        watch: Called with (done, total) levels.

    Raises:
        UnsupportedError: A fault is unknown, or the network has no integer form on Loihi 2.
        ChipRangeError: A number does not fit the chip.
    """
    network = net if isinstance(net, Network) else net.to_network()
    chosen = list(FAULTS) if faults is None else list(faults)
    for name in chosen:
        if name not in FAULTS:
            raise UnsupportedError(f"robustness: {unknown('fault', name, FAULTS)}")
    work = [(name, level) for name in chosen for level in FAULTS[name].levels]
    points = []
    for done, (name, level) in enumerate(work, start=1):
        fault = FAULTS[name]
        times = draws if fault.random and level != 0.0 else 1
        found = [
            fault.measure(network, features, level, np.random.default_rng([seed, draw]))
            for draw in range(times)
        ]
        right = [float(np.mean(predicted == labels)) for predicted, _ in found]
        settled = float(np.mean([share for _, share in found]))
        points.append(Point(name, level, float(np.mean(right)), float(np.std(right)), settled, times))
        if watch is not None:
            watch(done, len(work))
    return tuple(points)


@dataclass(frozen=True)
class Fault:
    """One kind of fault: its levels, whether they are drawn, and how it is measured."""

    levels: tuple[Level, ...]
    random: bool
    measure: Callable[[Network, Features, Level, np.random.Generator], Classes]


def _weight_bits(network: Network, x: Features, level: Level, rng: np.random.Generator) -> Classes:
    if level != "ternary":
        return _emulated(_integers(network, x, weight_bits=int(level)), x)
    arrays = dict(network.arrays())
    for name, projection in network.projections.items():
        arrays[f"projections.{name}.weight"] = rounded(projection.weight, "ternary")
    return _emulated(_integers(network.with_arrays(arrays), x), x)


def _state_bits(network: Network, x: Features, level: Level, rng: np.random.Generator) -> Classes:
    return _emulated(_integers(network, x, state_bits=int(level)), x)


def _stuck(high: bool) -> Callable[[Network, Features, Level, np.random.Generator], Classes]:
    def measure(network: Network, x: Features, level: Level, rng: np.random.Generator) -> Classes:
        quantized = _integers(network, x)
        settling = np.concatenate([_rows(quantized, population.name) for population in network.dynamic])
        units = np.zeros(quantized.size, dtype=bool)
        units[rng.permutation(settling)[: round(float(level) * settling.size)]] = True
        broken, bias = stuck(quantized, quantized.bias(present(network, x)), units, high=high)
        return _classes(quantized, emulate(broken, bias, max_steps=MAX_STEPS))

    return measure


def _message_loss(network: Network, x: Features, level: Level, rng: np.random.Generator) -> Classes:
    quantized = _integers(network, x)
    bias = quantized.bias(present(network, x))
    return _classes(quantized, emulate_losing(quantized, bias, float(level), rng, max_steps=MAX_STEPS))


def _multiplicative(network: Network, x: Features, level: Level, rng: np.random.Generator) -> Classes:
    return _float(with_noise(network, rng, multiplicative=float(level)), x)


def _additive(network: Network, x: Features, level: Level, rng: np.random.Generator) -> Classes:
    return _float(with_noise(network, rng, additive=float(level)), x)


def _drift(network: Network, x: Features, level: Level, rng: np.random.Generator) -> Classes:
    analog = read_profile("analog").analog
    if analog is None or analog.drift_exponent.low is None:
        raise ValueError("hardware/analog.yaml has no drift exponent")
    if level == 0.0:
        return _float(network, x)
    ratio = float(level) * DAY / DRIFT_FROM
    exponent = analog.drift_exponent.low
    return _float(with_drift(network, rng, ratio=ratio, exponent=exponent, spread=0.008), x)


FAULTS: Mapping[str, Fault] = {
    "weight bits": Fault((8, 6, 5, 4, 3, "ternary"), False, _weight_bits),
    "state bits": Fault((8, 7, 6, 5, 4, 3, 2), False, _state_bits),
    "dead units": Fault((0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0), True, _stuck(high=False)),
    "units stuck at 1": Fault((0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0), True, _stuck(high=True)),
    "message loss": Fault((0.0, 0.001, 0.01, 0.05, 0.2, 1.0), True, _message_loss),
    "multiplicative noise": Fault((0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 100.0), True, _multiplicative),
    "additive noise": Fault((0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 100.0), True, _additive),
    "drift, days": Fault((0.0, 0.04, 1.0, 30.0, 365.0), True, _drift),
}
"""Shares of 1 where no unit is named; the last level of each random fault but drift should leave chance."""


def _integers(network: Network, x: Features, **settings: int) -> Quantized:
    """The whole network on the chip, its input as well where its rates are those of units, 0 to 1."""
    rates = present(network, x).rates
    fits = bool(((rates >= 0.0) & (rates <= 1.0)).all())
    return quantize(network, read_profile(CHIP), inputs_on_chip=fits, **settings)


def _rows(quantized: Quantized, population: str) -> NDArray[np.intp]:
    start = quantized.offsets[population]
    return np.arange(start, start + quantized.network.populations[population].size)


def _emulated(quantized: Quantized, x: Features) -> Classes:
    bias = quantized.bias(present(quantized.network, x))
    return _classes(quantized, emulate(quantized, bias, max_steps=MAX_STEPS))


def _classes(quantized: Quantized, run: EmulatedRun) -> Classes:
    rates = with_readout(quantized.network, quantized.rates(run.s))
    return classes(quantized.network, rates), float(run.settled.mean())


def _float(network: Network, x: Features) -> Classes:
    """Settle in torch; noise may leave no fixed point, and the settle then ends unsettled."""
    done = find(REFERENCE)(network, x, RunOptions(tolerance=TOLERANCE, max_steps=MAX_STEPS))
    return classes(network, done.rates), float(done.settled.mean())
