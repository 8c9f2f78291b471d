"""The neuron models that a network can take on a chip, and how their populations lie, by name."""

from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.recording import Widths

NEURON_MODELS = ("sigma_delta", "lif")
LAYOUTS = ("merged", "separate")


def check_neuron_model(name: str) -> None:
    """Refuse a name that is no neuron model of a chip.

    Raises:
        UnsupportedError: It is none of `NEURON_MODELS`.
    """
    if name not in NEURON_MODELS:
        raise UnsupportedError(f"neuron '{name}': unknown on a chip; give {' or '.join(NEURON_MODELS)}")


def neuron_model_of(network: Network, asked: str | None) -> str:
    """The neuron model that a network takes: what was asked for, or lif if all its units are, or sigma_delta.

    Raises:
        UnsupportedError: What was asked for is none of `NEURON_MODELS`.
    """
    if asked is not None:
        check_neuron_model(asked)
        return asked
    return "lif" if all(p.model == "lif" for p in network.dynamic) else "sigma_delta"


def check_widths(widths: Widths, neuron: str | None) -> None:
    """Refuse the width or the threshold of states where the neurons have none.

    Args:
        widths: Those that were asked for.
        neuron: What runs on the chip; None where nothing does.

    Raises:
        UnsupportedError: Only sigma_delta neurons have states.
    """
    unused = [name for name in ("state_bits", "threshold") if name in widths]
    if unused and neuron != "sigma_delta":
        what = "no neuron runs this network" if neuron is None else f"{neuron} neurons have no such states"
        raise UnsupportedError(
            "\n".join(f"{name}: {what}, only sigma_delta neurons do; leave it out" for name in unused)
        )


def check_layout(name: str) -> None:
    """Refuse a name that is no layout of the populations.

    Raises:
        UnsupportedError: It is none of `LAYOUTS`.
    """
    if name not in LAYOUTS:
        raise UnsupportedError(f"populations '{name}': unknown layout; give {' or '.join(LAYOUTS)}")
