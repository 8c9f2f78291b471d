"""What is measured once before training and stays: the input's mean, and what read-outs see of units."""

from torch import Tensor

from mep_neuro.equilibrium.model import EquilibriumNetwork
from mep_neuro.equilibrium.phases import free_phase


def standardise(model: EquilibriumNetwork, features: Tensor) -> None:
    """Centre the input and calibrate the read-outs that the topology says, on the training part."""
    _encode(model, features)
    _calibrate(model, features)


def _encode(model: EquilibriumNetwork, features: Tensor) -> None:
    encoding = model.spec.populations[model.input_name].encoding
    if encoding is not None and encoding.centre == "mean":
        model.centre_input(features.mean(0))


def _calibrate(model: EquilibriumNetwork, features: Tensor) -> None:
    """Set each calibrated read-out's offset (mean of each unit) and gain (1 / deviation over all units)."""
    for name, coupling in model.readouts.items():
        section = model.spec.projections[name].calibrate
        if section is not None:
            states = free_phase(model, features[: section.samples]).point.states[coupling.pre]
            part = coupling.take(states, coupling.pre_units)
            model.readout_offset[name] = part.mean(0)
            deviation = float((part - part.mean(0)).square().mean().sqrt())
            model.readout_gain[name] = 1.0 / max(deviation, 1e-12)
