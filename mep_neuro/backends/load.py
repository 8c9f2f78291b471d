"""From a name, a path, a mapping or a RUN folder to a network that settles in torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mep_neuro.backends.run_folder import RunFolder
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.build import build
from mep_neuro.simulation.override import network_with_neuron
from mep_neuro.topology.neuron_override import with_neuron
from mep_neuro.topology.reader import read_spec

if TYPE_CHECKING:
    from mep_neuro.equilibrium.model import EquilibriumNetwork


def load(
    source: str | Path | Mapping[str, Any],
    *,
    seed: int | None = None,
    neuron: str | None = None,
    dtype: str = "float32",
) -> "EquilibriumNetwork":
    """Make a network that settles and learns in torch.

    Args:
        source: Name of a library network, path of a topology file or of a RUN folder, or a mapping.
        seed: Replaces seeds.init of a topology, so that a RUN tells it; a RUN folder has its weights
            already.
        neuron: Replaces the neuron model of every settling population, such as 'sif'.
        dtype: Of weights and states, 'float32' or 'float64'.

    Raises:
        TopologyError: The topology is wrong; every mistake at once.
        RunFolderError: The RUN folder is damaged.
        UnsupportedError: No such dtype.
    """
    from mep_neuro.equilibrium.model import DTYPES, EquilibriumNetwork  # torch is loaded here

    if dtype not in DTYPES:
        raise UnsupportedError(f"load: no dtype {dtype!r}; give one of {', '.join(DTYPES)}")
    made = DTYPES[dtype]
    if not isinstance(source, Mapping) and Path(source).is_dir():
        network = RunFolder.open(source).network()
        return EquilibriumNetwork(network if neuron is None else network_with_neuron(network, neuron), made)
    spec = read_spec(source)
    if seed is not None:
        spec = spec.model_copy(update={"seeds": spec.seeds.model_copy(update={"init": seed})})
    return EquilibriumNetwork(build(spec if neuron is None else with_neuron(spec, neuron)), made)
