"""Several back ends on the same samples, each measured against the reference."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mep_neuro.backends.accuracy import Accuracy, accuracy
from mep_neuro.backends.compare import Deviation, compare
from mep_neuro.backends.registry import REFERENCE, find, require
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.readout import classes
from mep_neuro.simulation.recording import Recording, RunOptions

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Comparison:
    """What several back ends made of the same samples.

    Attributes:
        recordings: By back end, the reference first.
        deviations: By back end, without the reference.
        accuracies: By back end.
    """

    recordings: Mapping[str, Recording]
    deviations: Mapping[str, Deviation]
    accuracies: Mapping[str, Accuracy]

    def exceeding(self, tolerance: float) -> tuple[str, ...]:
        """Back ends whose deviation does not pass the tolerance."""
        return tuple(name for name, d in self.deviations.items() if not d.passes(tolerance))


def compare_backends(
    network: Network,
    features: NDArray[np.floating],
    labels: NDArray[np.int64],
    names: Sequence[str],
    options: RunOptions | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Settle the same samples on the reference and on every named back end.

    Args:
        network: The network.
        features: Shape (samples, n_input).
        labels: Class of each sample, shape (samples,).
        names: Back ends; the reference is always run, named or not.
        options: How to settle.
        progress: Called with (back end, done, total).

    Raises:
        UnknownBackendError: A name is no back end.
        BackendMissingError: A back end is not installed; nothing has been run then.
    """
    ordered = list(dict.fromkeys([REFERENCE, *names]))
    for name in ordered:
        require(name)
    given = options or RunOptions()
    recordings = {
        name: find(name)(network, features, replace(given, progress=_named(name, progress)))
        for name in ordered
    }
    reference = recordings[REFERENCE]
    return Comparison(
        recordings=recordings,
        deviations={n: compare(network, reference, r) for n, r in recordings.items() if n != REFERENCE},
        accuracies={n: accuracy(classes(network, r.rates), labels) for n, r in recordings.items()},
    )


def _named(name: str, progress: Progress | None) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, total: progress(name, done, total)
