"""Every exception of the package. A message reads `where: what is wrong; what to do`.

`exit_code` is what the command line returns: 1 a claim failed, 2 the user's mistake,
3 a back end missing or failed.
"""

from collections.abc import Sequence


class MepNeuroError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code = 2


class TopologyError(MepNeuroError):
    """A topology file or specification is wrong; holds every mistake found."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        """Take one message per mistake."""
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))


class StimulusError(MepNeuroError):
    """A stimulus does not fit the input population."""


class DataError(MepNeuroError):
    """A data set cannot be read or does not fit the network."""


class RunFolderError(MepNeuroError):
    """A RUN folder is missing, damaged or of another training run."""


class BundleError(MepNeuroError):
    """An exported bundle is missing, damaged, of another version, or in the way."""


class UnsupportedError(MepNeuroError):
    """A network uses something that the target cannot express."""


class ChipProfileError(MepNeuroError):
    """A chip profile cannot be read, or lacks a value that is asked for; holds every mistake found."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        """Take one message per mistake."""
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))


class ChipRangeError(MepNeuroError):
    """A value does not fit a register of the chip."""


class CapacityError(MepNeuroError):
    """A network does not fit a chip."""

    exit_code = 1


class SettleError(MepNeuroError):
    """A settle diverged or met a value that is not finite; the weights are as they were."""

    exit_code = 1


class UpdateError(MepNeuroError):
    """Contrasts are not those of the network that they are to change."""


class ComparisonError(MepNeuroError):
    """Two recordings are not of the same network and samples."""


class UnknownBackendError(MepNeuroError):
    """No back end or conversion target has this name."""


class BackendMissingError(MepNeuroError):
    """A back end is not installed."""

    exit_code = 3


class BackendFailedError(MepNeuroError):
    """A back end was started and failed, or ran out of time."""

    exit_code = 3
