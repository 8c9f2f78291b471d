"""The neuron models that a network can take on a chip, and how their populations lie, by name."""

from mep_neuro.errors import UnsupportedError

NEURON_MODELS = ("sigma_delta", "lif")
LAYOUTS = ("merged", "separate")


def check_neuron_model(name: str) -> None:
    """Refuse a name that is no neuron model of a chip.

    Raises:
        UnsupportedError: It is none of `NEURON_MODELS`.
    """
    if name not in NEURON_MODELS:
        raise UnsupportedError(f"neuron '{name}': unknown on a chip; give {' or '.join(NEURON_MODELS)}")


def check_layout(name: str) -> None:
    """Refuse a name that is no layout of the populations.

    Raises:
        UnsupportedError: It is none of `LAYOUTS`.
    """
    if name not in LAYOUTS:
        raise UnsupportedError(f"populations '{name}': unknown layout; give {' or '.join(LAYOUTS)}")
