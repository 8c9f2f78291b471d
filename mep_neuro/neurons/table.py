"""The neuron models by the names that a topology file gives them."""

from collections.abc import Mapping
from dataclasses import fields

from mep_neuro.neurons.annealed_sigma_delta import AnnealedSigmaDelta
from mep_neuro.neurons.lif import Lif
from mep_neuro.neurons.rate import Rate
from mep_neuro.neurons.sif import Sif
from mep_neuro.neurons.sigma_delta import GradedSigmaDelta
from mep_neuro.neurons.spiking import SpikingNeuron

SPIKING_MODELS: Mapping[str, type[Sif | Lif | GradedSigmaDelta | AnnealedSigmaDelta]] = {
    "sif": Sif,
    "sigma_delta": GradedSigmaDelta,
    "annealed_sigma_delta": AnnealedSigmaDelta,
    "lif": Lif,
}

MODELS: Mapping[str, type] = {"rate": Rate, **SPIKING_MODELS}


def parameters_of(model: str) -> set[str]:
    """The parameters of a model that a file may give, by their names there."""
    return {field.name for field in fields(MODELS[model])} - {"activation", "dt"}


def spiking_neuron(model: str, dt: float, parameters: Mapping[str, float]) -> SpikingNeuron:
    """A neuron of a spiking model; parameters that the model does not have are left out.

    Args:
        model: A name of `SPIKING_MODELS`.
        dt: One slot, seconds.
        parameters: By name, in SI units.
    """
    own = {name: parameters[name] for name in parameters_of(model) if name in parameters}
    neuron: SpikingNeuron = SPIKING_MODELS[model](dt=dt, **own)
    return neuron
