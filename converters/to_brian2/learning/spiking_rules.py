"""The text of a spiking unit that learns: `spiking/equations.py`, with phases that come again and again.

A unit sums up what its window reads; when a phase ends, that is its rate r, which its synapses read
in place of the rate of a rate unit. Plus and minus phase both begin where the free phase ended. A unit
settled where r is rho of the mean current that it felt in the same window, to what the read-out resolves.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mep_neuro.converters.to_brian2.learning import rules
from mep_neuro.converters.to_brian2.learning.timetable import Timetable
from mep_neuro.converters.to_brian2.spiking.equations import GRID, NOW, UnitText, unit_text
from mep_neuro.neurons.annealed_sigma_delta import AnnealedSigmaDelta
from mep_neuro.neurons.sigma_delta import GradedSigmaDelta
from mep_neuro.neurons.spiking import SpikingNeuron
from mep_neuro.simulation.network import Population

Array = NDArray[np.float64]


def rounded(value: str) -> str:
    """The value at the nearest point of the grid, on which sums are exact in any order."""
    return f"floor(({value}) * {GRID} + 0.5) / {GRID}"


def unit(population: Population, parts: list[str], times: Timetable) -> UnitText:
    """The text of a population whose constant current has these parts besides the drive and the nudge.

    Raises:
        UnsupportedError: The neuron model has no text here.
    """
    text: UnitText = unit_text(population.model, population.name, 1)
    at = f"ep_at = (t_in_timesteps % {times.steps} + 0.5) * ep_dt"
    heard = "sigma" if "sigma" in text.equations else "i_syn"

    def in_cycle(code: str) -> str:
        return (
            code.replace(NOW, "ep_now").replace("(t - begin)", "(ep_at)").replace("ep_window0", "ep_window")
        )

    drive = f"ep_now = {rounded(' + '.join(['drive', *parts]))} + nudge"
    felt = f"felt += ep_window(ep_at) * (ep_now + {heard})"
    names = ["r", "felt", *parts]
    kept = [text.kept] if _returns(times) else []
    return replace(
        text,
        equations="\n".join([text.equations, *kept, *(f"{name} : 1" for name in names)]),
        update="\n".join([at, drive, in_cycle(text.update), felt]),
        reset="\n".join([at, in_cycle(text.reset)]),
    )


def courses(neuron: SpikingNeuron, times: Timetable) -> dict[str, Array]:
    """What changes from slot to slot of a presentation: the window, and the threshold of messages."""
    slots, phases = times.free, len(times.ends)
    nudged = np.tile(neuron.window(times.nudged, nudged=True), phases - 1)
    found = {"ep_window": np.r_[neuron.window(slots), nudged, np.zeros(times.unit)]}
    if isinstance(neuron, GradedSigmaDelta | AnnealedSigmaDelta):
        thresholds = np.array([neuron.threshold(slot) for slot in range(slots)])
        found["ep_theta"] = np.r_[np.tile(thresholds, phases), np.full(times.unit, thresholds[-1])]
    return found


def read_out(neuron: SpikingNeuron, times: Timetable) -> str:
    """At each tick, before a synapse looks: what the window of a phase that has ended has read."""
    free = float(neuron.window(times.free).sum())
    nudged = float(neuron.window(times.nudged, nudged=True).sum())
    return "\n".join(
        [
            f"ep_step = t_in_timesteps % {times.steps}",
            f"ep_ended = {rules.ended(times)}",
            f"ep_total = {nudged!r} + int(ep_step == {times.ends[0]}) * {free - nudged!r}",
            "r = ep_ended * read0 / ep_total + (1 - ep_ended) * r",
            "ep_begin = int(ep_step == 0)",
            "moved = (1 - ep_begin) * clip(moved, ep_ended * abs(r - clip(felt / ep_total, 0, 1)), inf)",
            "read0 = (1 - ep_ended) * (1 - ep_begin) * read0",
            "felt = (1 - ep_ended) * (1 - ep_begin) * felt",
        ]
    )


def rest(neuron: SpikingNeuron, text: UnitText, times: Timetable) -> str:
    """After `unit_learning`: the state before the first slot of a pattern, and of each nudged phase."""
    first = neuron.rest((1,))
    start = {"v": first.v, "i_syn": first.i, "sigma": first.i, "s": first.s, "m": first.m}
    held = {line.split(" :")[0] for line in text.equations.splitlines()}
    values = {name: float(value[0]) for name, value in start.items() if name in held} | {"arriving": 0.0}
    lines = [f"{name} = (1 - ep_begin) * {name} + ep_begin * {value!r}" for name, value in values.items()]
    if _returns(times):
        free, first_nudged = times.ends[:2]
        lines.append(text.back_to_free(f"int(ep_step == {free})", f"int(ep_step == {first_nudged})"))
    return "\n".join(lines)


def _returns(times: Timetable) -> bool:
    """Whether a nudged phase follows another."""
    return len(times.signs) > 1
