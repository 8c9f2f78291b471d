"""Attention among the back ends: none of those that add up synapses can express it."""

from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.network import Network


def refuse_attention(network: Network, target: str) -> None:
    """Refuse a network whose currents are not all sums over synapses.

    Args:
        network: The network.
        target: What cannot express it, such as 'brian2'.

    Raises:
        UnsupportedError: It has projections of attention; all of them are named.
    """
    names = [p.name for p in network.projections.values() if p.kind == "attention"]
    if names:
        raise UnsupportedError(
            "\n".join(
                f"projection '{name}': attention has no spiking form, and {target} cannot express it; "
                "run it on torch, or write another connector"
                for name in names
            )
        )
