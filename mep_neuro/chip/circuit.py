"""What of a network lies on a chip: its settling units, and the synapses between them, one each way."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from mep_neuro.chip.pairs import in_pairs
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.torch_only import refuse_torch_only


@dataclass(frozen=True, eq=False)
class Circuit:
    """Units side by side and who drives whom, whatever the weights are.

    Attributes:
        name: The network's.
        sizes: Units of each population on the chip, in the order of the rows.
        synapses: 1 where a synapse is, int8, rows post, columns pre, shape (size, size).
        inputs: Input channels that the chip needs: 0 where the host computes the input currents.
        outputs: Units that are read out.
        host_products: Products that the host computes for one sample.
    """

    name: str
    sizes: Mapping[str, int]
    synapses: csr_matrix
    inputs: int
    outputs: int
    host_products: int

    @property
    def size(self) -> int:
        """Number of units on the chip."""
        return int(self.synapses.shape[0])

    @property
    def count(self) -> int:
        """Number of synapses on the chip, both directions."""
        return int(self.synapses.nnz)

    def population_of(self, unit: int) -> str:
        """Whose unit it is."""
        ends = np.cumsum(list(self.sizes.values()))
        return list(self.sizes)[int(np.searchsorted(ends, unit, side="right"))]


def with_pairs(single: Circuit) -> Circuit:
    """The same with two neurons for each settling unit, as the rate code of LIF neurons has it (`lif`)."""
    settling = list(single.sizes.items())[1 if single.inputs else 0 :]
    return replace(
        single,
        sizes={**single.sizes, **{f"{name}, second": size for name, size in settling}},
        synapses=in_pairs(single.synapses, single.inputs).astype(np.int8),
    )


def circuit(network: Network, *, inputs_on_chip: bool = False) -> Circuit:
    """Lay out the units and synapses of a network.

    A softmax read-out is the host's, and so are the currents of the clamped input, unless they are to be
    on the chip: then the input population has units there, which nothing drives.

    Raises:
        UnsupportedError: The network has attention or another part that is no sum over synapses.
    """
    refuse_torch_only(network, "a chip")
    source = [network.input] if inputs_on_chip else []
    populations = [*source, *network.dynamic]
    starts = np.concatenate([[0], np.cumsum([p.size for p in populations])])
    first = {p.name: int(start) for p, start in zip(populations, starts[:-1], strict=True)}
    settling = {p.name for p in network.dynamic}
    rows, columns, on_host = [], [], 0
    for projection in network.projections.values():
        synapses = projection.synapses
        if projection.pre not in first or projection.post not in first:
            on_host += int(synapses.pre.size)
            continue
        pre, post = synapses.pre + first[projection.pre], synapses.post + first[projection.post]
        rows.append(post)
        columns.append(pre)
        if projection.pre in settling:
            rows.append(pre)
            columns.append(post)
    total = int(starts[-1])
    none = np.zeros(0, dtype=np.intp)
    post, pre = np.concatenate([none, *rows]), np.concatenate([none, *columns])
    ones = np.ones(post.size, dtype=np.int8)
    matrix = coo_matrix((ones, (post, pre)), shape=(total, total)).tocsr()
    matrix.data[:] = 1  # parallel projections share a synapse
    output = network.output
    return Circuit(
        name=network.spec.name,
        sizes={p.name: p.size for p in populations},
        synapses=matrix,
        inputs=network.input.size if inputs_on_chip else 0,
        outputs=output.size if output.dynamic else _seen_by(network, output.name),
        host_products=on_host,
    )


def _seen_by(network: Network, readout: str) -> int:
    """Units that a read-out on the host sees."""
    return sum(p.pre_units.size for p in network.projections.values() if p.post == readout)
