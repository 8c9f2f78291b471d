"""Synapses as the sparse rows of a matrix, and what such rows carry."""

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Rows:
    """Where each synapse stands in the rows of a matrix.

    Attributes:
        order: The synapse at each place of the rows, shape (n_synapses,).
    """

    def __init__(self, rows: NDArray[np.intp], columns: NDArray[np.intp], shape: tuple[int, int]) -> None:
        """Sort synapses into the units that they reach.

        Args:
            rows: The unit that each synapse reaches.
            columns: The unit that it comes from.
            shape: Units reached, and units they come from.
        """
        order = np.lexsort((columns, rows))
        self.order = torch.from_numpy(order)
        self._shape = shape
        # MKL's indices: of longer ones it makes a copy in every product, for half of the product's time.
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))])
        self._starts = torch.tensor(starts, dtype=torch.int32)
        self._columns = torch.tensor(columns[order], dtype=torch.int32)

    def matrix(self, values: Tensor) -> Tensor:
        """The matrix of these weights, given in the order of the rows."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            return torch.sparse_csr_tensor(
                self._starts, self._columns, values, self._shape, check_invariants=False
            )


def carried(matrix: Tensor, state: Tensor, base: Tensor | None = None) -> Tensor:
    """What the rows carry from states (..., n_pre), shape (..., n_post), added to base where there is one."""
    # Units first, and sums of its own: the product would make copies beside the result otherwise.
    seen = state.reshape(-1, state.shape[-1]).T.contiguous()
    shape = (*state.shape[:-1], matrix.shape[0])
    if base is None:
        sums = seen.new_zeros(matrix.shape[0], seen.shape[1])
    else:
        sums = base.expand(shape).reshape(-1, shape[-1]).T.clone(memory_format=torch.contiguous_format)
    sums.addmm_(matrix, seen)
    del seen
    return sums.T.reshape(shape)
