"""The neighbours of every unit of a population: what they send, the sweep in place, and the contrast.

States go in and out as everywhere, shape (..., n); what comes out is laid units first, and what comes in
that way is used without a copy. Per synapse and direction 8 bytes are read, whatever the batch.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mep_neuro.equilibrium.couplings.units_first import columns, flat, samples_first, units_first
from mep_neuro.equilibrium.solvers.form import Rule
from mep_neuro.simulation.synapses import Synapses

ROOM = 32
"""A row to work in is a multiple of so many numbers: LLVM takes their rates at once, others one by one."""


class Rows(NamedTuple):
    """What reaches each unit u: value[e] from unit column[e], for e from start[u] to start[u + 1]."""

    start: Any
    column: Any
    value: Any


class Neighbours:
    """The map of a lattice over one population."""

    def __init__(self, synapses: Synapses, size: int, dtype: torch.dtype) -> None:
        """Sort both directions of every synapse by the unit that they reach.

        Args:
            synapses: Sorted by (lower unit, higher unit), as those of a lattice are.
            size: Units of the population.
            dtype: Of weights and states, float32 or float64.
        """
        into, since = np.r_[synapses.post, synapses.pre], np.r_[synapses.pre, synapses.post]
        # Higher units, then lower ones: the unit updated just before is the last, forth as well as back, so
        # that its state is waited for once and not at the start of a chain of sums.
        order = np.argsort((2 * into + (since < into)) * size + since)
        self._start = _starts(into, size)
        self._column = since[order].astype(np.int32)
        self._slot = torch.from_numpy(np.r_[synapses.slot, synapses.slot][order])
        gains = np.r_[np.ones(synapses.pre.size), synapses.gain], np.sqrt(np.r_[synapses.gain, synapses.gain])
        self._gain, self._root = (torch.tensor(gain[order], dtype=dtype) for gain in gains)
        low, high = np.minimum(synapses.pre, synapses.post), np.maximum(synapses.pre, synapses.post)
        self._first_edge, self._higher = _starts(low, size), high.astype(np.int32)

    def take_weights(self, weight: Tensor) -> None:
        """Use these weights, shape (n_edges,)."""
        self._weight = weight.index_select(0, self._slot)
        self._dynamic = self._rows(self._weight * self._gain)

    def current(self, state: Tensor, base: Tensor | None = None) -> Tensor:
        """W s + g W^T s, added to base where there is one; shape (..., n)."""
        return _product(state, base, self._dynamic)

    def balanced(self, state: Tensor) -> Tensor:
        """What the symmetric map (entries sqrt(g) w) sends back."""
        return _product(state, None, self._rows(self._weight * self._root))

    def sweep(
        self,
        state: Tensor,
        base: Tensor,
        rule: Rule,
        *,
        upwards: bool,
        currents: Tensor | None = None,
        omega: Tensor | None = None,
        write: bool = True,
    ) -> Tensor:
        """Every unit in its turn takes its state under the present states of the others, in place.

        Each update minimises the energy over one unit exactly: it never rises, for any weights.

        Args:
            state: Shape (n, columns), contiguous.
            base: Current from elsewhere, like state.
            rule: How states follow from currents.
            upwards: From the first unit to the last, or back.
            currents: Receives the current under which each state was taken; like state.
            omega: How far each column goes towards its new state, shape (columns,); 1 where it is None.
            write: Whether states change; False measures how far they are from what they would take.

        Returns:
            Largest change of each column, shape (columns,).
        """
        from mep_neuro.equilibrium.couplings import lattice_loops

        change = state.new_zeros(state.shape[1])
        kept, relaxed = (flat(change[:0] if memory is None else memory) for memory in (currents, omega))
        scratch = tuple(_room(3, state))
        lattice_loops.sweep(
            flat(state),
            flat(base),
            self._dynamic,
            rule,
            flat(change),
            kept,
            relaxed,
            scratch,
            upwards,
            write,
        )
        return change

    def contrast(self, mean: Tensor, slope: Tensor, factor: float) -> Tensor:
        """factor (slope_post mean_pre + mean_post slope_pre) of every edge, summed over the batch."""
        from mep_neuro.equilibrium.couplings import lattice_loops

        edges = mean.new_empty(self._higher.size)
        into, rows = flat(edges), (*columns(mean), *columns(slope))
        scale = np.array([factor], into.dtype)[0]
        lattice_loops.contrast(into, self._first_edge, self._higher, *rows, mean.shape[0], scale)
        return edges

    def _rows(self, value: Tensor) -> Rows:
        return Rows(self._start, self._column, flat(value))


def _product(state: Tensor, base: Tensor | None, rows: Rows) -> Tensor:
    from mep_neuro.equilibrium.couplings import lattice_loops

    seen = units_first(state)
    if base is None:
        out = torch.zeros_like(seen)
    else:
        out = (
            base.expand_as(state).reshape(-1, state.shape[-1]).T.clone(memory_format=torch.contiguous_format)
        )
    lattice_loops.product(flat(out), flat(seen), rows, _room(1, seen)[0])
    return samples_first(out, state.shape)


def _room(rows: int, state: Tensor) -> NDArray[np.floating]:
    """Rows to work in, for states of shape (n, columns)."""
    return state.new_zeros(rows, -(-state.shape[1] // ROOM) * ROOM).numpy()


def _starts(rows: NDArray[np.intp], size: int) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=size))]).astype(np.int64)
