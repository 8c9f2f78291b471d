"""Sparse projections, as rows of the synapses that there are."""

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mep_neuro.equilibrium.couplings.pair import PairCoupling
from mep_neuro.simulation.network import Network, Projection


class SparseCoupling(PairCoupling):
    """Some pairs of units: time and memory grow with the synapses."""

    def __init__(self, projection: Projection, network: Network, dtype: torch.dtype) -> None:
        """Take the weights and sort the synapses into rows, by post and by pre."""
        super().__init__(projection, network, dtype)
        pre, post = projection.synapses.pre, projection.synapses.post
        self._pre, self._post = _index(pre), _index(post)
        self._into_post = _Rows(post, pre, (self.post_size, self.pre_size))
        self._into_pre = _Rows(pre, post, (self.pre_size, self.post_size))
        self.weight_changed()

    def weight_changed(self) -> None:
        """Refresh the rows from the weights."""
        both = {"own": self.weight, "fixed": self.returned}
        self._forth = {key: self._into_post.matrix(weight) for key, weight in both.items()}
        self._back = {key: self._into_pre.matrix(weight) for key, weight in both.items()}

    def push(self, weight: Tensor, pre: Tensor) -> Tensor:
        """Weight times s_pre, shape (..., n_post)."""
        return _apply(self._forth["own" if weight is self.weight else "fixed"], pre)

    def pull(self, weight: Tensor, post: Tensor) -> Tensor:
        """The same back, shape (..., n_pre)."""
        return _apply(self._back["own" if weight is self.weight else "fixed"], post)

    def product(self, pre: Tensor, post: Tensor) -> Tensor:
        """Products of the two ends of every synapse, summed over the batch."""
        before, after = pre.T.contiguous(), post.T.contiguous()
        return (before[self._pre] * after[self._post]).sum(1)


class _Rows:
    """Where each synapse stands in the rows of a matrix."""

    def __init__(self, rows: NDArray[np.intp], columns: NDArray[np.intp], shape: tuple[int, int]) -> None:
        order = np.lexsort((columns, rows))
        self._order, self._columns, self._shape = _index(order), _index(columns[order]), shape
        self._starts = _index(np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))]))

    def matrix(self, weight: Tensor) -> Tensor:
        """The matrix of these weights."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            return torch.sparse_csr_tensor(
                self._starts, self._columns, weight[self._order], self._shape, check_invariants=False
            )


def _apply(rows: Tensor, state: Tensor) -> Tensor:
    flat = state.reshape(-1, state.shape[-1])
    return (rows @ flat.T).T.reshape(*state.shape[:-1], rows.shape[0])


def _index(values: NDArray[np.intp]) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)
