"""The text of the equations, generated from a network (nothing here needs Brian2).

Names made from the file begin with `ep_`, so that none meets a unit, a constant or a reserved
name of Brian2 (such as e, cm, i, j, N, t, dt, xi), nor ends in `_pre` or `_post`.
"""

import re
from collections.abc import Iterable

from mep_neuro.errors import UnsupportedError
from mep_neuro.simulation.network import Network, Population, Projection

RATES = {
    "hard_sigmoid": "clip({v}, 0, 1)",
    "relu": "clip({v}, 0, inf)",
    "tanh": "tanh({v})",
    "sigmoid": "1 / (1 + exp(-({v})))",
    "linear": "{v}",
}
RESERVED = ("ep_clock", "ep_network")  # objects of our own beside those of the file


def inner_projections(network: Network) -> tuple[Projection, ...]:
    """The projections between settling populations: those that become Synapses."""
    settling = {p.name for p in network.dynamic}
    return tuple(q for q in network.projections.values() if q.pre in settling and q.post in settling)


def identifiers(names: Iterable[str]) -> list[str]:
    """Each name as a Brian2 identifier, unlike the ones before it."""
    found: list[str] = []
    for name in names:
        word = re.sub(r"[^A-Za-z0-9_]", "_", name)
        word = word if re.match(r"[A-Za-z]", word) else f"ep_{word}"
        same, number = word, 2
        while word in found or word in RESERVED:
            word, number = f"{same}_{number}", number + 1
        found.append(word)
    return found


def forward(identifier: str) -> str:
    """Variable of the post group that sums w * sent_pre of a projection."""
    return f"ep_{identifier}_forward"


def feedback(identifier: str) -> str:
    """Variable of the pre group that sums g * w * sent_post of a projection."""
    return f"ep_{identifier}_feedback"


def group_equations(
    population: Population, parts: Iterable[str], *, watched: bool = False, held: bool = True
) -> str:
    """Equations of a population whose current has these parts besides the drive.

    Args:
        population: The population.
        parts: Variables into which its projections sum.
        watched: Whether each unit notes the last step at which it was away from its fixed point
            (`watching`): what a compiled program has in place of a look from outside.
        held: Whether the rate is computed once at the start of a step, rather than by each synapse;
            False where code at the start of a step writes v.

    Raises:
        UnsupportedError: The neuron model or the activation has no equation here.
    """
    if population.model != "rate":
        raise UnsupportedError(
            f"population '{population.name}': neuron model '{population.model}' has no Brian2 equation; "
            "write model: rate"
        )
    if population.activation not in RATES:
        raise UnsupportedError(
            f"population '{population.name}': activation '{population.activation}' has no Brian2 "
            f"equation; use one of {', '.join(RATES)}"
        )
    names = list(parts)
    lines = [
        "dv/dt = (-v + current) / tau_mem : 1",
        f"r = {_rate(population, 'v')} : 1",
        f"sent = r : 1{' (constant over dt)' if held else ''}",
        f"current = {' + '.join(['drive', *names])} : 1",
        "drive : 1",
        *(f"{name} : 1" for name in names),
        "tau_mem : second (shared, constant)",
        *(("away : integer", "tolerance : 1 (shared)") if watched else ()),
    ]
    return "\n".join(lines)


def watching(population: Population) -> str:
    """Run after each step: `away` becomes the step, where the rate at its start was not yet rho(current)."""
    unsettled = f"abs(sent - {_rate(population, 'current')}) > tolerance"
    return f"away = away + (t_in_timesteps - away) * int({unsettled})"


def synapse_equations(identifier: str, *, own_feedback: bool = False, one_gain: bool = False) -> str:
    """Equations of a projection: one weight w, used both ways, or a weight b of its own on the way back."""
    back = "b" if own_feedback else "w"
    lines = [
        "w : 1",
        *(["b : 1"] if own_feedback else []),
        "g : 1 (shared)" if one_gain else "g : 1 (constant)",
        f"{forward(identifier)}_post = w * sent_pre : 1 (summed)",
        f"{feedback(identifier)}_pre = g * {back} * sent_post : 1 (summed)",
    ]
    return "\n".join(lines)


def _rate(population: Population, membrane: str) -> str:
    return RATES[population.activation].format(v=membrane)
