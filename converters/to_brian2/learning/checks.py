"""What cannot be learned inside Brian2, by name and with what to do."""

import numpy as np

from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.network import Network
from mep_neuro.simulation.spiking import is_spiking
from mep_neuro.simulation.torch_only import refuse_torch_only

TORCH = "train it on torch"


def refuse_unlearnable(network: Network) -> None:
    """Refuse what the synapses of a simulation cannot learn from their two ends alone.

    Raises:
        UnsupportedError: Every reason, one a line.
    """
    refuse_torch_only(network, "brian2")
    reasons = [*_populations(network), *_projections(network), *_phases(network)]
    if reasons:
        raise UnsupportedError("\n".join(reasons))


def _populations(network: Network) -> list[str]:
    reasons = []
    if not network.output.dynamic:
        reasons.append(
            f"population '{network.output.name}': a softmax read-out is outside the dynamics, so no synapse "
            "of the simulation meets it; give it settling units (activation: hard_sigmoid) and the cost "
            f"squared_error, or {TORCH}"
        )
    for name, p in network.populations.items():
        if p.role != "input" and p.plastic_bias and p.bias_channels is not None:
            reasons.append(
                f"population '{name}': units that share a bias (bias_per: channel) would have to meet to "
                f"learn it; write plastic_bias: false, or {TORCH}"
            )
    if any(getattr(p, "dropout", None) for p in network.spec.populations.values()):
        reasons.append(f"populations: dropout is not drawn inside Brian2; remove it, or {TORCH}")
    return reasons


def _projections(network: Network) -> list[str]:
    reasons = []
    for name, q in network.projections.items():
        if q.plastic and np.unique(q.synapses.slot).size < q.synapses.slot.size:
            reasons.append(
                f"projection '{name}': synapses of {q.kind} share weights, and none of them sees the others' "
                f"ends; write plastic: false, or {TORCH}"
            )
        if q.plastic and q.weight_bits is not None:
            reasons.append(f"projection '{name}': weight_bits are not rounded inside Brian2; {TORCH}")
    return reasons


def _phases(network: Network) -> list[str]:
    nudge = network.spec.equilibrium.nudge
    reasons = []
    if nudge.phases == "frozen":
        reasons.append("nudge.phases: frozen phases are arithmetic of the torch engine; write centered")
    if isinstance(nudge.beta, str) or nudge.max_current is not None or nudge.schedule != "constant":
        reasons.append(
            "nudge: beta of each pattern (auto, max_current, schedule) would have to be known to all units; "
            "write a number, without max_current, schedule: constant"
        )
    if nudge.cost != "squared_error":
        reasons.append(
            f"nudge.cost: the error of {nudge.cost} needs all output units at once; write squared_error"
        )
    if network.spec.learning.mode == "continual" and is_spiking(network):
        reasons.append(
            "learning.mode: spiking units have a rate when a phase has ended, and continual plasticity "
            "follows it step by step; write phased"
        )
    return reasons
