"""The deviation table: how far one back end's settled rates are from the reference's, unit by unit."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mep_neuro.errors import ComparisonError
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.readout import classes
from mep_neuro.simulation.recording import Recording

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PopulationDeviation:
    """One population's difference in rate, over all its units and all samples.

    Attributes:
        population: Name.
        units: Number of units.
        settles: False for a softmax read-out outside the dynamics: listed, but no part of the whole.
        max_abs: Largest |other - reference|; NaN where either side is not finite.
        mean_abs: Mean |other - reference|.
    """

    population: str
    units: int
    settles: bool
    max_abs: float
    mean_abs: float


@dataclass(frozen=True)
class Deviation:
    """How far a back end is from the reference.

    `max_abs` and `mean_abs` are over the units that settle: they are the state of the dynamics. A softmax
    read-out outside the dynamics is a function of that state, on another scale (its rates sum to 1, and ten
    near-zero ones would flatter the mean), so it has a line of its own in `populations` and counts in
    `agreement` alone.

    Attributes:
        reference: Back end that the other is measured against.
        backend: The other back end.
        samples: Presentations compared.
        max_abs: Largest |difference| of any settling unit in any sample; NaN where a rate is not finite.
        mean_abs: Mean |difference| over settling units and samples.
        agreement: Fraction of samples with the same class, of sequences at every position; a sample with a
            rate that is not finite disagrees.
        unsettled_reference: Samples in which the reference had not settled.
        unsettled_other: Samples in which the other had not settled.
        populations: The same, population by population.
    """

    reference: str
    backend: str
    samples: int
    max_abs: float
    mean_abs: float
    agreement: float
    unsettled_reference: int
    unsettled_other: int
    populations: tuple[PopulationDeviation, ...]

    @property
    def reference_settled(self) -> bool:
        """Whether the reference was a fixed point in every sample, so that the table means something."""
        return self.unsettled_reference == 0

    def passes(self, tolerance: float) -> bool:
        """Whether the largest deviation is within the tolerance.

        A deviation that is not finite never passes, whatever the tolerance; nor does a reference that had
        not settled, because then nothing is known about the fixed point.
        """
        return self.reference_settled and math.isfinite(self.max_abs) and self.max_abs <= tolerance

    def as_dict(self) -> dict[str, object]:
        """Plain numbers for JSON; None stands for a number that is not finite."""
        return {
            "max_abs": _finite(self.max_abs),
            "mean_abs": _finite(self.mean_abs),
            "agreement": self.agreement,
            "samples": self.samples,
            "unsettled_reference": self.unsettled_reference,
            "unsettled_other": self.unsettled_other,
            "populations": {
                p.population: {"max_abs": _finite(p.max_abs), "mean_abs": _finite(p.mean_abs)}
                for p in self.populations
            },
        }


def compare(network: Network, reference: Recording, other: Recording) -> Deviation:
    """Measure a recording against the reference, unit by unit.

    Args:
        network: The network that both back ends ran.
        reference: What is taken as true.
        other: What is measured; the same samples in the same order.

    Raises:
        ComparisonError: The two are not recordings of this network on as many samples.
    """
    samples = _samples(network, reference)
    if _samples(network, other) != samples:
        raise ComparisonError(
            f"compare {reference.backend} with {other.backend}: {samples} samples against "
            f"{_samples(network, other)}; run both back ends on the same samples"
        )
    errors = absolute_errors(reference, other)
    populations = tuple(
        PopulationDeviation(p.name, p.size, p.dynamic, *_max_and_mean(errors[p.name]))
        for p in network.populations.values()
        if p.role != "input"
    )
    whole = np.concatenate([errors[p.name] for p in network.dynamic], axis=1)
    max_abs, mean_abs = _max_and_mean(whole)
    return Deviation(
        reference=reference.backend,
        backend=other.backend,
        samples=samples,
        max_abs=max_abs,
        mean_abs=mean_abs,
        agreement=_agreement(network, reference, other),
        unsettled_reference=int(np.count_nonzero(~reference.settled)),
        unsettled_other=int(np.count_nonzero(~other.settled)),
        populations=populations,
    )


def absolute_errors(reference: Recording, other: Recording) -> dict[str, Array]:
    """|other - reference| of every population, shape (samples, n) each; NaN where either is not finite."""
    errors: dict[str, Array] = {}
    for name, rates in reference.rates.items():
        finite = np.isfinite(rates) & np.isfinite(other.rates[name])
        difference = np.full(rates.shape, np.nan)
        np.subtract(other.rates[name], rates, out=difference, where=finite, dtype=np.float64)
        errors[name] = np.abs(difference)
    return errors


def _samples(network: Network, recording: Recording) -> int:
    """Samples of a recording, after checking that it is one of this network."""
    where = f"recording of {recording.backend}"
    expected = {p.name: p.size for p in network.populations.values() if p.role != "input"}
    if set(recording.rates) != set(expected):
        raise ComparisonError(
            f"{where}: it has the populations {_names(recording.rates)}, the network {_names(expected)}; "
            "compare recordings of one network"
        )
    samples = int(recording.steps.shape[0]) if recording.steps.ndim == 1 else -1
    for name, size in expected.items():
        shape = recording.rates[name].shape
        if shape != (samples, size):
            raise ComparisonError(
                f"{where}: the rates of '{name}' have shape {shape}, not ({samples}, {size}); "
                "compare recordings of one network"
            )
    if recording.settled.shape != (samples,):
        raise ComparisonError(
            f"{where}: `settled` has shape {recording.settled.shape}, not ({samples},); give one a sample"
        )
    if samples == 0:
        raise ComparisonError(f"{where}: it holds no samples; run at least one")
    return samples


def _names(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(names)) or "none"


def _max_and_mean(errors: Array) -> tuple[float, float]:
    return float(np.max(errors)), float(np.mean(errors))


def _agreement(network: Network, reference: Recording, other: Recording) -> float:
    output = network.output.name
    known = np.isfinite(reference.rates[output]).all(axis=1) & np.isfinite(other.rates[output]).all(axis=1)
    same = classes(network, reference.rates) == classes(network, other.rates)
    same = same.reshape(len(same), -1).all(axis=1)
    return float(np.mean(same & known))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
