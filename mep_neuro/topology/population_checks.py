"""What the populations and neurons of a network must fulfil together."""

import re
from collections.abc import Iterator
from math import prod

from mep_neuro.topology.draft import Draft
from mep_neuro.topology.mistakes import NAME_RULE, Mistake, shown, unknown

# 10 million units take 80 MB for each array of one number per unit, of which a settle holds about ten.
MAX_UNITS = 10_000_000
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


def population_mistakes(draft: Draft) -> Iterator[Mistake]:
    """Names, roles, neurons, activations and the number of units."""
    yield from _names(draft)
    yield from _roles(draft)
    for name in draft.with_role("input"):
        yield from _input(draft, name)
    for name in draft.populations:
        if draft.populations[name].role != "input":
            yield from _neuron(draft, name)
    yield from _unused_neurons(draft)
    yield from _cost(draft)
    yield from _time_step(draft)
    yield from _units(draft)


def _names(draft: Draft) -> Iterator[Mistake]:
    for section, names in (
        ("neurons", draft.neurons),
        ("populations", draft.populations),
        ("projections", draft.projections),
    ):
        for name in names:
            if not _NAME.fullmatch(name):
                yield Mistake((section, name), f"{shown(name)} is no name; {NAME_RULE}", at_key=True)


def _roles(draft: Draft) -> Iterator[Mistake]:
    for role in ("input", "output"):
        names = draft.with_role(role)
        if not names and not draft.broken_in("populations"):
            yield Mistake(("populations",), f"no population has role: {role}; write it in one of them")
        for name in names[1:]:
            what = f"'{names[0]}' has the role {role} already; keep one {role} population"
            yield Mistake(("populations", name, "role"), what)


def _input(draft: Draft, name: str) -> Iterator[Mistake]:
    population = draft.populations[name]
    for key in ("neuron", "activation"):
        if getattr(population, key) is not None:
            what = f"the input is clamped to the data and has no {key}; remove it"
            yield Mistake(("populations", name, key), what)
    if population.bias_per != "unit":
        what = "the input is clamped to the data and has no bias; remove it"
        yield Mistake(("populations", name, "bias_per"), what)
    if population.bias != 0.0:
        what = "the input is clamped to the data and has no bias; remove it"
        yield Mistake(("populations", name, "bias"), what)


def _neuron(draft: Draft, name: str) -> Iterator[Mistake]:
    population = draft.populations[name]
    if population.bias_per == "channel" and len(population.shape) != 3:
        what = (
            f"channel needs three axes (channels, height, width), not {len(population.shape)}; "
            "write unit, or another shape"
        )
        yield Mistake(("populations", name, "bias_per"), what)
    if population.encoding is not None:
        what = "only the input population encodes data; move it there, or remove it"
        yield Mistake(("populations", name, "encoding"), what)
    if population.neuron is not None and population.neuron not in draft.neuron_names:
        what = unknown("neuron", population.neuron, draft.neuron_names)
        yield Mistake(("populations", name, "neuron"), what)
    key = "neuron" if population.activation is None else "activation"
    activation = draft.activation_of(name)
    if activation == "softmax" and population.role != "output":
        what = "softmax is a read-out, for the output population only; write another, such as hard_sigmoid"
        yield Mistake(("populations", name, key), what)


def _unused_neurons(draft: Draft) -> Iterator[Mistake]:
    if draft.broken_in("populations"):
        return
    used = {population.neuron for population in draft.populations.values()}
    for name in draft.neurons:
        if name not in used:
            what = f"no population uses this neuron; remove it, or write neuron: {name} in a population"
            yield Mistake(("neurons", name), what)


def _cost(draft: Draft) -> Iterator[Mistake]:
    outputs = draft.with_role("output")
    if draft.equilibrium is None or len(outputs) != 1:
        return
    softmax, cost = draft.activation_of(outputs[0]), draft.equilibrium.nudge.cost
    path = ("equilibrium", "nudge", "cost")
    if softmax == "softmax" and cost != "cross_entropy":
        what = f"'{outputs[0]}' is a softmax read-out; write cost: cross_entropy, or another activation"
        yield Mistake(path, what)


def _time_step(draft: Draft) -> Iterator[Mistake]:
    if draft.equilibrium is None:
        return
    dt = draft.equilibrium.dt
    for name in draft.populations:
        neuron = None if draft.populations[name].role == "input" else draft.neuron_of(name)
        if neuron is not None and dt > neuron.tau_mem:
            what = (
                f"dt of {dt:g} s exceeds the tau_mem of {neuron.tau_mem:g} s of '{name}', "
                "so that a step overshoots; lower dt"
            )
            yield Mistake(("equilibrium", "dt"), what)
            return


def _units(draft: Draft) -> Iterator[Mistake]:
    total = 0
    for name, population in draft.populations.items():
        total += prod(population.shape)
        if total > MAX_UNITS:
            what = f"{total} units in all exceed the limit of {MAX_UNITS}; use smaller shapes"
            yield Mistake(("populations", name, "shape"), what)
            return
