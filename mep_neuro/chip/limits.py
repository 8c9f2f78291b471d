"""The limits of a chip that hold for a network as a whole, and the sentence for one that is broken."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mep_neuro.chip.circuit import Circuit
from mep_neuro.chip.profile import ChipProfile, Limit
from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.network import Network, Population

OWN_MODEL: dict[str, frozenset[str]] = {
    "lif": frozenset({"lif"}),
    "sigma_delta": frozenset({"sigma_delta"}),
}
"""Neurons that a population of a spiking model takes; one of rate units takes what expresses them."""

EXPRESSES: dict[str, frozenset[str]] = {
    "hard_sigmoid": frozenset({"sigma_delta", "lif", "rate"}),
    "relu": frozenset({"rate"}),
    "tanh": frozenset({"rate"}),
}
"""Neurons that express an activation; a lif codes the clamp to [0, 1] by its rate, with some error."""


@dataclass(frozen=True)
class Check:
    """One limit held against a network.

    Attributes:
        limit: Name of the value in the profile.
        where: What it is about, such as "population 'hidden'".
        value: What the network needs; None where the chip's own numbers are needed to tell.
        allowed: What the chip has; None where it is unknown.
        verdict: Whether the value is within what is allowed.
        source: Where the chip's value is from.
        assumed: Whether the chip's value is our reading.
        advice: What to do where it is broken.
    """

    limit: str
    where: str
    value: int | str | None
    allowed: int | str | None
    verdict: Literal["fits", "broken", "unknown"]
    source: str
    assumed: bool
    advice: str

    def sentence(self, profile: ChipProfile) -> str:
        """`where: what is wrong; what to do` of a broken limit."""
        assumed = ", assumed" if self.assumed else ""
        if self.limit == "neurons":
            what = f"{self.value} are expressed by none of its neurons ({self.allowed})"
        else:
            what = f"{self.limit.replace('_', ' ')} {self.value} exceeds {self.allowed}"
        return f"{self.where}: {what} ({profile.origin(self.limit)}{assumed}; {self.source}); {self.advice}"


def check_count(profile: ChipProfile, limit: str, where: str, value: int | None, advice: str) -> Check:
    """Hold a count against a limit of the profile."""
    item: Limit[int] = getattr(profile, limit)
    verdict: Literal["fits", "broken", "unknown"] = (
        "unknown" if item.value is None or value is None else "fits" if value <= item.value else "broken"
    )
    return Check(limit, where, value, item.value, verdict, item.source, item.assumed, advice)


def refuse_without_feedback(profile: ChipProfile) -> None:
    """Refuse a chip on which no network of Equilibrium Propagation can run.

    Raises:
        UnsupportedError: The chip has no feedback; the reason and the source are in the message.
    """
    if profile.feedback.value is False:
        why = " ".join(profile.feedback.note.split())
        raise UnsupportedError(
            f"chip '{profile.name}': it has no feedback between units, which every network of Equilibrium "
            f"Propagation needs ({' '.join(profile.feedback.source.split())}). {why}; choose a chip with "
            "recurrent synapses, such as loihi2, spinnaker2 or loihi1"
        )


def neuron_for(network: Network, profile: ChipProfile) -> str | None:
    """The first neuron of the chip that expresses every settling unit; None where there is none."""
    offered = profile.neurons.value or ()
    needed = [_able(population) for population in network.dynamic]
    return next((neuron for neuron in offered if all(neuron in kinds for kinds in needed)), None)


def chip_checks(network: Network, circuit: Circuit, profile: ChipProfile) -> tuple[Check, ...]:
    """Every limit that does not depend on which core a unit lies on, in the order they are met."""
    return (*_neurons(network, profile), *_fans(circuit, profile), *_totals(circuit, profile))


def _neurons(network: Network, profile: ChipProfile) -> Iterator[Check]:
    offered = profile.neurons.value or ()
    for population in network.dynamic:
        able = [neuron for neuron in offered if neuron in _able(population)]
        units, do = f"{population.activation} units", "train it with activation hard_sigmoid"
        if population.model in OWN_MODEL and EXPRESSES[population.activation] & set(offered):
            units, do = f"{population.model} neurons", "write model: rate"
        yield Check(
            limit="neurons",
            where=f"population '{population.name}'",
            value=units,
            allowed=", ".join(offered),
            verdict="fits" if able else "broken",
            source=profile.neurons.source,
            assumed=profile.neurons.assumed,
            advice=f"{do}, or choose a chip that has such {units.split()[-1]}",
        )


def _able(population: Population) -> frozenset[str]:
    """Neurons that express a population."""
    able = EXPRESSES[population.activation]
    return able & OWN_MODEL.get(population.model, able)


def _fans(circuit: Circuit, profile: ChipProfile) -> Iterator[Check]:
    each = profile.synapses_per_weight.value or 1
    ways = (
        ("fan_in_per_neuron", 1, each, "lower the number of units that drive it, or use a sparse connector"),
        ("fan_out_per_neuron", 0, 1, "lower the number of units it drives, or use a sparse connector"),
    )
    for limit, axis, factor, advice in ways:
        counts = np.asarray(circuit.synapses.sum(axis=axis, dtype=np.int64)).ravel() * factor
        worst = int(np.argmax(counts)) if counts.size else 0
        where = f"population '{circuit.population_of(worst)}'"
        if factor > 1:
            where += f", {factor} synapses a weight"
        yield check_count(profile, limit, where, int(counts.max(initial=0)), advice)


def _totals(circuit: Circuit, profile: ChipProfile) -> Iterator[Check]:
    where, each = f"network '{circuit.name}'", profile.synapses_per_weight.value or 1
    if circuit.inputs:
        yield check_count(
            profile,
            "inputs_per_chip",
            where,
            circuit.inputs,
            "leave the input currents to the host (--input host), or lower the number of features",
        )
    yield check_count(
        profile, "outputs_per_chip", where, circuit.outputs, "read fewer units, or use several chips"
    )
    yield check_count(profile, "neurons_per_chip", where, circuit.size, "use fewer units, or several chips")
    yield check_count(
        profile, "synapses_per_chip", where, circuit.count * each, "use fewer synapses, or several chips"
    )
