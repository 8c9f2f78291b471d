"""The same network of other neurons: `--neuron NAME`."""

from mep_neuro.errors import TopologyError
from mep_neuro.neurons.table import MODELS
from mep_neuro.topology.mistakes import unknown
from mep_neuro.topology.reader import read_spec
from mep_neuro.topology.spec import NetworkSpec

LIF_SLOTS = 100
"""Shortest tau_mem of a lif in slots: the 5 slots in which a rate network settles are no integrator."""


def with_neuron(spec: NetworkSpec, model: str) -> NetworkSpec:
    """The specification with every settling population of one neuron model.

    Names, activations and tau_mem (of lif at least 100 slots) stay; the model's other parameters are its
    own values. A specification of that model already is returned as it is.

    Raises:
        TopologyError: The model is unknown, or the network has what it cannot express.
    """
    if model not in MODELS:
        raise TopologyError([f"neuron: {unknown('neuron model', model, MODELS)}"])
    settling = [name for name, p in spec.populations.items() if p.role != "input"]
    if all(spec.neuron_of(name).model == model for name in settling):
        return spec
    data = spec.to_mapping()
    for name, section in spec.neurons.items():
        data["neurons"][name] = {"activation": section.activation, **_of(model, section.tau_mem, spec)}
    for name in settling:
        if spec.populations[name].neuron is None:
            data["populations"][name]["neuron"] = "overridden"
            data["neurons"]["overridden"] = _of(model, spec.neuron_of(name).tau_mem, spec)
    return read_spec(data)


def _of(model: str, tau_mem: float, spec: NetworkSpec) -> dict[str, str]:
    shortest = LIF_SLOTS * spec.equilibrium.dt if model == "lif" else 0.0
    return {"model": model, "tau_mem": f"{max(tau_mem, shortest)!r} s"}
