"""What every solver offers to a settle, and the current into a block.

A solver holds the states of the samples still at work and changes them step by step. All solvers
have the same fixed points, s = rho(current); they differ in the path, its cost and its memory.
"""

from collections.abc import Container, MutableSequence, Sequence
from typing import Protocol, TypeVar

from torch import Tensor

from mep_neuro.equilibrium.couplings.units_first import chosen
from mep_neuro.equilibrium.solvers.modes import Mode
from mep_neuro.equilibrium.system import Link, System

T = TypeVar("T", Tensor, Tensor | None)


class Solver(Protocol):
    """Steps towards the fixed point.

    Attributes:
        in_place: Whether `states` always hold the whole batch, samples at rest included; `keep` then
            only ends their work. Otherwise they hold the samples still at work.
        states: State of each block; None stands for zeros that were never touched.
        membranes: Current under which each state was taken, or None where the solver keeps none.
        events: Synaptic events of each sample still at work, shape (batch,), or None if not counted.
    """

    @property
    def in_place(self) -> bool: ...  # noqa: D102, they are told above

    @property
    def states(self) -> Sequence[Tensor | None]: ...  # noqa: D102

    @property
    def membranes(self) -> Sequence[Tensor | None] | None: ...  # noqa: D102

    @property
    def events(self) -> Tensor | None: ...  # noqa: D102

    def step(self) -> None:
        """One step."""

    def measured_step(self) -> Tensor:
        """One step; the largest change, or residual, of each sample at work, shape (batch,)."""

    def residual(self) -> Tensor:
        """Largest |s - rho(current)| of each sample at work, shape (batch,)."""

    def keep(self, rows: Tensor) -> None:
        """Go on with some of the samples at work."""


class Make(Protocol):
    """How a settle makes its solver."""

    def __call__(
        self,
        system: System,
        mode: Mode,
        drive: Sequence[Tensor | None],
        states: Sequence[Tensor | None],
        *,
        forth: bool = True,
    ) -> Solver:
        """Start from states, which are not changed; `forth` begins at the input's side."""


def current_into(
    system: System, block: int, drive: Sequence[Tensor | None], states: Sequence[Tensor]
) -> Tensor:
    """Drive and currents of the neighbours, in a tensor of its own or in the drive itself."""
    total = sum_of(system.links[block], drive[block], states)
    return states[block].new_zeros(states[block].shape) if total is None else total


def sum_of(links: Sequence[Link], total: Tensor | None, states: Sequence[Tensor]) -> Tensor | None:
    """A current and those of some links, in a tensor of its own where there is a link."""
    for link in links:
        seen = link.seen(states)
        assert seen is not None  # every block has a state
        total = link.current(*seen) if total is None else link.onto(total, *seen)
    return total


def residual(system: System, mode: Mode, drive: Sequence[Tensor | None], states: Sequence[Tensor]) -> Tensor:
    """Largest |s - rho(current)| of each sample, shape (batch,)."""
    largest: Tensor | None = None
    for block, state in enumerate(states):
        rest = mode.activate(block, current_into(system, block, drive, states))
        distance = mode.distance(block, rest, state)
        largest = distance if largest is None else largest.maximum(distance)
    assert largest is not None  # a system has a block
    return largest


def some_of(tensors: Sequence[Tensor | None], rows: Tensor) -> list[Tensor | None]:
    """The rows of some samples."""
    return [None if t is None else chosen(t, rows) for t in tensors]


def narrow(tensors: MutableSequence[T], rows: Tensor, but: Container[int] = ()) -> None:
    """Keep the rows of some samples, in the room of one block more than the tensors take.

    Not of the blocks in `but`.
    """
    for block, tensor in enumerate(tensors):
        if isinstance(tensor, Tensor) and block not in but:
            tensors[block] = chosen(tensor, rows)


def complete(system: System, tensors: Sequence[Tensor | None], like: Sequence[Tensor | None]) -> list[Tensor]:
    """Zeros where there is None; `like` has at least one tensor of the same samples."""
    found = [tensor for tensor in tensors if tensor is not None]
    if len(found) == len(tensors):
        return found
    some = next(t for t in (*found, *like) if t is not None)
    return [
        some.new_zeros(*some.shape[:-1], size) if tensor is None else tensor
        for tensor, size in zip(tensors, system.sizes, strict=True)
    ]
