"""What a converter kept of a network."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ConversionReport:
    """What the target expresses exactly, what it approximates, and what it leaves out, in sentences.

    Attributes:
        target: Name of the target, such as 'brian2'.
        exact: Parts that mean the same in the target.
        approximated: Parts that the target expresses with an error; each says which.
        dropped: Parts of the file that the target does not hold; each says where they went.
    """

    target: str
    exact: tuple[str, ...] = ()
    approximated: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
