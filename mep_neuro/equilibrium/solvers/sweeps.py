"""Solver `sweeps`: each population in turn takes its equilibrium given its neighbours.

Forth and back through the populations. A projection's current is computed again only after the
population it comes from has changed, and a population is updated only after a current into it
has: one product per matrix and half-sweep. Inside a lattice each unit in turn does the same, and so do
tokens that attend to each other. The energy never rises: each update minimises a strongly convex
function of its block, or unit, or token, which is the energy or touches it from above. Only in
lattices that also compete (sparsity) units move at once.

Source: block coordinate descent on the energy; Scellier and Bengio 2017, equation 5, for the
dynamics whose fixed point it shares.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mep_neuro.equilibrium.couplings.units_first import chosen
from mep_neuro.equilibrium.solvers.in_lattice import InLattice, keep_within
from mep_neuro.equilibrium.solvers.modes import Mirrored, Mode, Single
from mep_neuro.equilibrium.system import Link, System


class Sweeps:
    """Block updates forth and back.

    Attributes:
        states: State of each block; None stands for zeros that were never touched.
        membranes: Current under which each state was taken; None once a step was measured: a settle to a
            tolerance is long, and its currents are found again for less than its memory is worth.
    """

    in_place = False
    events = None

    def __init__(
        self,
        system: System,
        mode: Mode,
        drive: Sequence[Tensor | None],
        states: Sequence[Tensor | None],
        *,
        forth: bool = True,
    ) -> None:
        """Start from states; they are not changed in place."""
        self._system, self._mode, self._drive, self._forth = system, mode, list(drive), forth
        self._upwards = forth
        self.states: list[Tensor | None] = list(states)
        self.membranes: list[Tensor | None] | None = [None] * len(states)
        self._rows: Tensor | None = None  # those of the drive, once samples have left
        self._fresh = [False] * len(self.states)
        self._within: dict[int, InLattice] = {}  # of blocks with a lattice that something has reached
        self._forget()

    def step(self) -> None:
        """One half-sweep."""
        self._half_sweep(None)

    def measured_step(self) -> Tensor:
        """One half-sweep; the largest change of each sample, shape (batch,)."""
        self.membranes = None
        distances: list[Tensor] = []
        self._half_sweep(distances)
        return self._largest(distances)

    def residual(self) -> Tensor:
        """Largest |s - rho(current)| of each sample, shape (batch,)."""
        distances = []
        for block, fresh in enumerate(self._fresh):
            if block in self._within:
                distances.append(self._within[block].residual(self._others(block)))
                continue
            current = None if fresh else self._current(block)
            if current is not None:
                rest = self._state(block, current, moves=False)
                distances.append(self._mode.distance(block, rest, self.states[block]))
        return self._largest(distances)

    def keep(self, rows: Tensor) -> None:
        """Go on with some of the samples."""
        self._system, self._mode = self._system.keep(rows), self._mode.keep(rows)
        self._forget()  # first: the room of the currents serves the copies
        keep_within(self._within, self._mode, self.states, rows)
        self._rows = rows if self._rows is None else self._rows[rows]

    def _forget(self) -> None:
        self._currents: list[list[Tensor | None]] = [[None] * len(links) for links in self._system.links]

    def _half_sweep(self, distances: list[Tensor] | None) -> None:
        blocks = range(len(self.states))
        for block in blocks if self._forth else reversed(blocks):
            if not self._fresh[block]:
                self._update(block, distances)
        self._forth = not self._forth

    def _update(self, block: int, distances: list[Tensor] | None) -> None:
        if self._system.lattices[block] is not None and self._sweep_within(block, distances):
            self._changed(block)
            return
        if len(self._system.turns[block]) > 1:
            self._take_turns(block, distances)
            return
        current = self._current(block)
        if current is None:
            return
        state = self._state(block, current)
        if distances is not None:
            distances.append(self._mode.distance(block, state, self.states[block]))
        self.states[block] = state
        if self.membranes is not None:
            self.membranes[block] = current
        self._changed(block)

    def _take_turns(self, block: int, distances: list[Tensor] | None) -> None:
        """One part of the block after the other, each under what the parts before it became."""
        old, new, membrane = self.states[block], None, None
        for units in self._system.turns[block]:
            current = self._current(block)
            if current is None:
                return
            if new is None or membrane is None:
                new = torch.zeros_like(current) if old is None else old.clone()
                membrane = current.clone()
            new[..., units] = self._mode.activate(block, current)[..., units]
            membrane[..., units] = current[..., units]
            self.states[block] = new
            self._changed(block)
        if new is not None and distances is not None:
            distances.append(self._mode.distance(block, new, old))
        if self.membranes is not None:
            self.membranes[block] = membrane

    def _changed(self, block: int) -> None:
        self._fresh[block] = True
        for target, position in self._system.targets[block]:
            self._currents[target][position] = None
            self._fresh[target] = False

    def _sweep_within(self, block: int, distances: list[Tensor] | None) -> bool:
        """One unit of a lattice after the other, where the mode has that form."""
        lattice, form = self._system.lattices[block], self._mode.form(block)
        if lattice is None or form is None:
            return False
        others = self._others(block)
        if block not in self._within:
            drive, start = self._drive[block], self.states[block]
            like = next((t for t in (start, others, drive) if t is not None), None)
            if like is None:
                return True  # nothing has arrived
            self._within[block] = InLattice(
                lattice.map,
                form,
                drive if drive is None or self._rows is None else chosen(drive, self._rows),
                torch.zeros_like(like) if start is None else start,
                upwards=self._upwards,
                with_currents=self.membranes is not None,
            )
        within = self._within[block]
        change = within.sweep(others)
        if distances is not None:
            distances.append(change)
        self.states[block] = within.state
        if self.membranes is not None:
            self.membranes[block] = within.currents
        return True

    def _others(self, block: int) -> Tensor | None:
        """Currents of the other populations, without the drive; each is kept until its source changes."""
        kept, total = self._currents[block], None
        for position, link in enumerate(self._system.links[block]):
            seen = None if link.source == block else link.seen(self.states)
            if seen is None:
                continue
            current = kept[position]
            if current is None:
                current = kept[position] = link.current(*seen)
            total = current if total is None else total + current
        return total

    def _state(self, block: int, current: Tensor, *, moves: bool = True) -> Tensor:
        """The state under a current, in its memory where nothing needs it any more."""
        if isinstance(self._mode, Single | Mirrored) and self._spare(block, current, moves=moves):
            return self._mode.overwrite(block, current)
        return self._mode.activate(block, current)

    def _spare(self, block: int, current: Tensor, *, moves: bool) -> bool:
        """Whether nothing reads this current again: it is no drive, no membrane, and no kept current but of
        the block's own state where that moves.
        """
        if self.membranes is not None or current is self._drive[block]:
            return False
        links, kept = self._system.links[block], self._currents[block]
        return all(
            current is not other or (moves and link.source == block)
            for link, other in zip(links, kept, strict=True)
        )

    def _current(self, block: int) -> Tensor | None:
        """Drive and currents of the neighbours; None where all of them are zero.

        The first link's kept current includes the drive.
        """
        links, kept = self._system.links[block], self._currents[block]
        total = kept[0] if kept else None
        if total is None:
            total = self._driven(block, links[0] if links else None)
        for position, link in enumerate(links[1:], start=1):
            seen = link.seen(self.states)
            if seen is None:
                continue
            current = kept[position]
            if current is None:
                current = kept[position] = link.current(*seen)
            total = current if total is None else total + current
        return total

    def _driven(self, block: int, link: Link | None) -> Tensor | None:
        """The drive and the first link's current, which is kept."""
        drive, seen = self._drive[block], None if link is None else link.seen(self.states)
        if link is None or seen is None:
            return drive if drive is None or self._rows is None else chosen(drive, self._rows)
        if drive is None:
            current = link.current(*seen)
        elif self._rows is None:
            current = link.onto(drive, *seen)
        else:  # the drive's rows come after the product, which has temporaries of its own
            current = link.current(*seen).add_(chosen(drive, self._rows))
        self._currents[block][0] = current
        return current

    def _largest(self, distances: list[Tensor]) -> Tensor:
        """Largest distance of each sample over the blocks, shape (batch,)."""
        if distances:
            return distances[0] if len(distances) == 1 else torch.stack(distances).amax(0)
        some = next(t for t in (*self.states, *self._drive) if t is not None)
        return some.new_zeros(some.shape[-2] if self._rows is None else len(self._rows))
