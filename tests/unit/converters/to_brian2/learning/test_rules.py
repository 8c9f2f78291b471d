"""The text of the plasticity: what it reads and what it writes, without running it."""

import re
from collections.abc import Iterable, Iterator

import pytest

from mep_neuro.converters.to_brian2.equations import group_equations, synapse_equations
from mep_neuro.converters.to_brian2.learning import rules
from mep_neuro.converters.to_brian2.learning.timetable import Timetable
from mep_neuro.simulation.build import build
from mep_neuro.topology.reader import read_spec

TIMES = Timetable(free=20, nudged=10, signs=(1, -1), unit=10)
ONE_SIDED = Timetable(free=20, nudged=10, signs=(1,), unit=10)
OPTIMIZERS = ("sgd", "adam", "none")
CLOCK = {"t_in_timesteps"}
FUNCTIONS = {"int", "sqrt", "abs", "clip", "inf"}
SCHEDULE = {f"ep_{n}" for n in ("share", "closing", "rate", "sign", "mean_bias", "square_bias")}
CONSTANTS = {"ep_dt", "ep_span", "ep_momentum", "ep_epsilon"}
ENDS = {"r_pre", "r_post", "k_post", "first_post"}
"""Rates of the two ends; the post unit's constant energy weight; where the training began."""


def variables(equations: Iterable[str]) -> set[str]:
    return {line.split(":")[0].split("=")[0].strip() for text in equations for line in text.splitlines()}


def assigned(code: str) -> Iterator[str]:
    for line in code.splitlines():
        yield re.split(r"\s*[+*]?=(?!=)", line)[0].strip()


def read(code: str) -> set[str]:
    right = " ".join(re.split(r"[+*]?=(?!=)", line, maxsplit=1)[1] for line in code.splitlines())
    return set(re.findall(r"[A-Za-z_]\w*", right))


def foreign(code: str, own: set[str]) -> set[str]:
    """Names that a synapse's code reads although they are neither its own, its ends' nor the clock's."""
    local = {name for name in assigned(code) if name.startswith("ep_")}
    return read(code) - own - local - ENDS - CLOCK - FUNCTIONS - SCHEDULE - CONSTANTS


def synapse_codes() -> Iterator[tuple[str, set[str]]]:
    for optimizer in OPTIMIZERS:
        own = rules.synapse_variables(plastic=True, optimizer=optimizer, continual=False)
        yield rules.synapse_contrast(TIMES, optimizer), variables([synapse_equations("q"), *own])
    own = rules.synapse_variables(plastic=True, optimizer="none", continual=True)
    yield rules.synapse_continual(ONE_SIDED), variables([synapse_equations("q"), *own])


def unit_codes() -> Iterator[tuple[str, set[str]]]:
    population = build(read_spec("xor")).populations["output"]
    for optimizer in OPTIMIZERS:
        own = rules.group_variables(output=True, optimizer=optimizer)
        known = variables([group_equations(population, ["bias", "nudge"]), *own]) - {"dv/dt"} | {"v"}
        yield rules.unit_learning(TIMES, optimizer, plastic=True, output=True), known
        yield rules.unit_continual(ONE_SIDED), known


def test_a_synapse_reads_its_two_ends_its_own_variables_and_the_clock_alone() -> None:
    for code, own in synapse_codes():
        assert "r_pre" in read(code)
        assert foreign(code, own) == set()


@pytest.mark.parametrize("smuggled", ["r_hidden", "error_post", "w_total", "ep_features"])
def test_a_rule_that_reads_anything_else_is_found(smuggled: str) -> None:
    code, own = next(synapse_codes())
    assert foreign(code.replace("r_pre *", f"r_pre * {smuggled} *"), own) == {smuggled}


def test_every_name_that_is_assigned_is_a_variable_or_a_local_name() -> None:
    for code, own in [*synapse_codes(), *unit_codes()]:
        wrong = {name for name in assigned(code) if not name.startswith("ep_")} - own
        assert wrong == set()  # Brian2 would make a local variable of it, and nothing would learn


def test_a_misspelt_name_is_found() -> None:
    code, own = next(synapse_codes())
    assert {n for n in assigned(code.replace("trace *=", "trase *=")) if not n.startswith("ep_")} - own == {
        "trase"
    }


def test_the_contrast_of_a_synapse_is_text_that_a_user_can_read() -> None:
    assert rules.synapse_contrast(TIMES, "sgd").splitlines() == [
        "ep_step = t_in_timesteps % 50",
        "ep_slot = (t_in_timesteps // 50 + first_post + 0.5) * ep_dt",
        "trace += (+1 * int(ep_step == 30) -1 * int(ep_step == 40)) * ep_sign(ep_slot) * ep_share(ep_slot)"
        " / ep_span * k_post * r_pre * r_post",
        "ep_closes = int(ep_step == 40) * ep_closing(ep_slot)",
        "w += ep_closes * ep_rate(ep_slot) * trace",
        "trace *= 1 - ep_closes * (1 - ep_momentum)",
    ]
