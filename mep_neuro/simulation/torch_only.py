"""Networks that only the torch engine expresses: the others add up synapses, unit by unit."""

from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.attention import refuse_attention
from mep_neuro.simulation.network import Network


def refuse_torch_only(network: Network, target: str) -> None:
    """Refuse a network that is more than units driven by sums over synapses.

    Args:
        network: The network.
        target: What cannot express it, such as 'brian2'.

    Raises:
        UnsupportedError: It has attention, populations whose units compete, or another energy.
    """
    refuse_attention(network, target)
    if network.spec.equilibrium.energy != "hopfield":
        raise UnsupportedError(
            f"equilibrium.energy: the errors of predictive coding are no populations, and {target} cannot "
            "express them; run it on torch, or write hopfield"
        )
    names = [name for name, p in network.spec.populations.items() if p.sparsity is not None]
    if names:
        raise UnsupportedError(
            "\n".join(
                f"population '{name}': which units stay active depends on all of them (sparsity), and "
                f"{target} cannot express it; run it on torch, or remove sparsity"
                for name in names
            )
        )
