"""From a network to another simulator or format, by the name of the target."""

from typing import TYPE_CHECKING, Any

from mep_neuro.backends.registry import find_converter
from mep_neuro.simulation.network import Network

if TYPE_CHECKING:
    from mep_neuro.equilibrium.model import EquilibriumNetwork


def convert(net: "EquilibriumNetwork | Network", to: str, **options: Any) -> Any:
    """Convert a network.

    Args:
        net: The network; its present weights are copied.
        to: Target, such as 'brian2' or 'lava'.
        options: What the target's converter takes, such as `samples` for brian2 and `path` for lava.

    Returns:
        What the target's converter returns; `.report` says what is exact, approximated or dropped.

    Raises:
        UnknownBackendError: No converter has this name.
        BackendMissingError: The target is not installed.
        UnsupportedError: The target cannot express the network.
    """
    network = net if isinstance(net, Network) else net.to_network()
    return find_converter(to)(network, **options)
