"""The text of the plasticity, generated from the timetable (nothing here needs Brian2).

A local name of the code begins with `ep_`; every other name on the left of an assignment is a variable
of the group, which a test holds to be true, since Brian2 takes a misspelt one for a new local variable.
Names of the form `ep_...(ep_slot)` are TimedArrays with one entry for each presentation.

Source: Scellier and Bengio 2017, equation 11 (contrast); Ernoult et al. 2020, equation 6 (continual);
Kingma and Ba 2015, algorithm 1 (Adam).
"""

from collections.abc import Callable

from mep_neuro.converters.to_brian2.equations import forward
from mep_neuro.converters.to_brian2.learning.timetable import Timetable

ADAM_BETAS = (0.9, 0.99)  # as in the torch engine
ADAM_EPSILON = 1e-12


def group_variables(*, output: bool, optimizer: str) -> list[str]:
    """What a settling unit keeps besides its membrane, as equations."""
    return [
        "k : 1 (constant)",
        "moved : 1",
        *(f"bias_{name} : 1" for name in ["trace", "seen", *_moments(optimizer)]),
        *(["error : 1", "answer : 1", "beta : 1 (shared, constant)"] if output else []),
        "first : integer (shared, constant)",
    ]


def input_equations() -> str:
    """Equations of the clamped population: a rate that the training sets."""
    return "r : 1\nfirst : integer (shared, constant)"


def synapse_variables(*, plastic: bool, optimizer: str, continual: bool) -> list[str]:
    """What a synapse keeps besides its weight, as equations."""
    names = [*(["trace", *_moments(optimizer)] if plastic else []), *(["seen"] if continual else [])]
    return [f"{name} : 1" for name in names]


def input_synapse_equations(identifier: str) -> str:
    """Equations of a projection from the clamped input, which nothing feeds back to."""
    return f"w : 1\n{forward(identifier)}_post = w * r_pre : 1 (summed)"


def show_pattern(times: Timetable) -> str:
    """At each tick: the clamped rates of the pattern that is being shown."""
    return f"{_slot(times)}\nr = ep_features((ep_row(ep_slot) + 0.5) * ep_dt, i)"


def synapse_contrast(times: Timetable, optimizer: str) -> str:
    """At each tick: the contrast of a synapse and, at a batch's end, its step.

    Args:
        times: The timetable.
        optimizer: 'sgd', 'adam', or 'none' for a weight that only consolidation moves.
    """
    product = "k_post * r_pre * r_post"
    return "\n".join(
        [*_clock(times, "_post"), f"trace += {_mark(times)} * {product}", *_step(times, "w", optimizer)]
    )


def synapse_continual(times: Timetable) -> str:
    """After every step of the nudged phase: a synapse moves by what its ends have just changed."""
    return "\n".join([*_clock(times, "_post"), *_follow(times, "w", "k_post * r_pre * r_post", "seen")])


def unit_learning(
    times: Timetable,
    optimizer: str,
    *,
    plastic: bool,
    output: bool,
    rounded: Callable[[str], str] = str,
) -> str:
    """At each tick: a unit's contrast, its error and its nudge.

    Args:
        times: The timetable.
        optimizer: 'sgd', 'adam', or 'none' where the bias moves continually.
        plastic: Whether the bias learns.
        output: Whether the unit is nudged.
        rounded: What becomes of the text of the nudge.
    """
    lines = _clock(times)
    if plastic:
        lines += [f"bias_trace += {_mark(times)} * k * r", *_step(times, "bias", optimizer, "bias_")]
    if output:
        free = times.ends[0]
        gates = [
            f"{sign:+d} * int(ep_step >= {start}) * int(ep_step < {stop})"
            for sign, start, stop in zip(times.signs, times.ends, times.ends[1:], strict=False)
        ]
        lines += [
            f"ep_free = int(ep_step == {free})",
            "answer = ep_free * r + (1 - ep_free) * answer",
            "error = ep_free * (int(i == ep_label(ep_slot)) - r) + (1 - ep_free) * error",
            f"nudge = {rounded('beta * ep_sign(ep_slot) * error')} * ({' '.join(gates)})",
        ]
    return "\n".join([*lines, "ep_begin = int(ep_step == 0)"])


def rate_rest(times: Timetable) -> str:
    """After `unit_learning`: how far a unit still moves when a phase ends, and its membrane's start."""
    return "\n".join(
        [
            f"moved = (1 - ep_begin) * clip(moved, {ended(times)} * abs(r - before), inf)",
            "before = r",
            "v = (1 - ep_begin) * v",
        ]
    )


def ended(times: Timetable) -> str:
    """1 where a phase has just ended, 0 elsewhere."""
    return f"({' + '.join(f'int(ep_step == {end})' for end in times.ends)})"


def unit_continual(times: Timetable) -> str:
    """After every step of the nudged phase: a bias moves by what its unit has just changed."""
    return "\n".join([*_clock(times), *_follow(times, "bias", "k * r", "bias_seen")])


def _moments(optimizer: str) -> list[str]:
    return ["mean", "square"] if optimizer == "adam" else []


def _slot(times: Timetable, end: str = "") -> str:
    return f"ep_slot = (t_in_timesteps // {times.steps} + first{end} + 0.5) * ep_dt"


def _clock(times: Timetable, end: str = "") -> list[str]:
    """Step of the pattern, and place of the pattern in the schedule; a synapse asks its end for it."""
    return [f"ep_step = t_in_timesteps % {times.steps}", _slot(times, end)]


def _mark(times: Timetable) -> str:
    """Share of a product of the ends in the contrast of its batch."""
    signs = " ".join(f"{sign:+d} * int(ep_step == {step})" for step, sign in times.marks.items())
    return f"({signs}) * ep_sign(ep_slot) * ep_share(ep_slot) / ep_span"


def _follow(times: Timetable, weight: str, product: str, seen: str) -> list[str]:
    """A weight moves with a product while the nudged phase settles."""
    gate = f"int(ep_step > {times.ends[0]}) * int(ep_step <= {times.close})"
    share = "ep_rate(ep_slot) * ep_share(ep_slot) * ep_sign(ep_slot) / ep_span"
    return [
        f"ep_now = {product}",
        f"{weight} += {gate} * {share} * (ep_now - {seen})",
        f"{seen} = ep_now",
    ]


def _step(times: Timetable, weight: str, optimizer: str, prefix: str = "") -> list[str]:
    """The update of a weight at the end of its batch."""
    if optimizer == "none":
        return []
    closes = f"ep_closes = int(ep_step == {times.close}) * ep_closing(ep_slot)"
    trace, mean, square = f"{prefix}trace", f"{prefix}mean", f"{prefix}square"
    if optimizer == "sgd":
        return [
            closes,
            f"{weight} += ep_closes * ep_rate(ep_slot) * {trace}",
            f"{trace} *= 1 - ep_closes * (1 - ep_momentum)",
        ]
    keep_mean, keep_square = ADAM_BETAS
    return [
        closes,
        f"{mean} += ep_closes * {1 - keep_mean!r} * ({trace} - {mean})",
        f"{square} += ep_closes * {1 - keep_square!r} * ({trace} * {trace} - {square})",
        f"ep_scale = sqrt({square} / ep_square_bias(ep_slot)) + ep_epsilon",
        f"{weight} += ep_closes * ep_rate(ep_slot) * {mean} / ep_mean_bias(ep_slot) / ep_scale",
        f"{trace} *= 1 - ep_closes",
    ]
