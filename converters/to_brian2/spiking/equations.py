"""The text of spiking units and their synapses (nothing here needs Brian2).

The variables are those of the classes in `neurons/`; `arriving` is a(t), `read0` what the window of
phase 0 has summed up, `begin` the time at which the run began, `v_free` the membrane at the end of the
free phase, at which every nudged phase begins.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from mep_neuro.errors import UnsupportedError
from mep_neuro.neurons.fixed_point import GRID_BITS

GRID = 1 << GRID_BITS
NOW = "(drive + ep_sign(t - begin) * nudge)"


@dataclass(frozen=True)
class UnitText:
    """What makes a NeuronGroup of a spiking model.

    Attributes:
        equations: Its variables.
        update: Code of one slot, before the threshold.
        threshold: Condition of a spike or a message.
        reset: Code of the units that sent.
        message: The variable that a synapse multiplies with its weight; empty for spikes of 1.
        parameters: Attributes of the neuron (`neurons/`) that become shared variables.
        state: What a slot leaves for the next, and what is on its way.
    """

    equations: str
    update: str
    threshold: str
    reset: str
    message: str
    parameters: tuple[str, ...]
    state: tuple[str, ...]

    @property
    def kept(self) -> str:
        """Variables in which a unit keeps the end of the free phase."""
        return "\n".join(f"{x}_free : 1" for x in self.state)

    def back_to_free(self, keeps: str, returns: str) -> str:
        """Code by which every nudged phase begins where the free phase ended.

        Args:
            keeps: Text that is 1 where the free phase has just ended, 0 elsewhere.
            returns: Text that is 1 where another nudged phase has just ended, 0 elsewhere.
        """
        kept = [f"{x}_free = ep_keeps * {x} + (1 - ep_keeps) * {x}_free" for x in self.state]
        back = [f"{x} = ep_returns * {x}_free + (1 - ep_returns) * {x}" for x in self.state]
        return "\n".join([f"ep_keeps = {keeps}", f"ep_returns = {returns}", *kept, *back])


def unit_text(model: str, population: str, phases: int) -> UnitText:
    """The text of a population.

    Args:
        model: Name of the neuron model.
        population: For the message.
        phases: Number of phases in one run.

    Raises:
        UnsupportedError: The model has no text here.
    """
    if model not in _MODELS:
        raise UnsupportedError(
            f"population '{population}': neuron model '{model}' has no Brian2 equation; "
            f"write model: rate, {', '.join(_MODELS)}"
        )
    text = _MODELS[model](phases)
    if phases <= 2:
        return text
    start = text.back_to_free("ep_keep(t - begin)", "ep_return(t - begin)")
    return replace(text, equations=f"{text.equations}\n{text.kept}", update=f"{start}\n{text.update}")


def synapse_text(message: str, *, own_feedback: bool) -> tuple[str, str, str]:
    """Equations, on_pre and on_post of a projection: one weight w, on the grid as it is used.

    Args:
        message: As in `UnitText`.
        own_feedback: Whether the way back has weights b of its own.
    """
    equations = "w : 1\ng : 1 (constant)" + ("\nb : 1" if own_feedback else "")
    before, after = (f" * {message}_{end}" if message else "" for end in ("pre", "post"))
    back = "b" if own_feedback else "g * w"
    return (
        equations,
        f"arriving_post += {_rounded('w')}{before}",
        f"arriving_pre += {_rounded(back)}{after}",
    )


def _sif(phases: int) -> UnitText:
    parameters = ("keep_syn", "v_threshold", "v_low", "v_high")
    return UnitText(
        _variables(("v", "i_syn"), parameters, phases),
        "\n".join(
            [
                *_toward_zero("i_syn", "keep_syn * i_syn + (1 - keep_syn) * arriving"),
                f"v = clip(v + ({NOW} + i_syn), v_low, v_high)",
                "arriving = 0",
            ]
        ),
        "v >= v_threshold",
        "\n".join(["v -= v_threshold", *_counted(phases)]),
        "",
        parameters,
        ("v", "i_syn", "arriving"),
    )


def _lif(phases: int) -> UnitText:
    parameters = ("keep_syn", "keep_mem", "v_threshold", "v_reset", "v_leak", "v_low")
    return UnitText(
        _variables(("v", "i_syn"), parameters, phases),
        "\n".join(
            [
                *_toward_zero("i_syn", "keep_syn * i_syn + (1 - keep_syn) * arriving"),
                *_toward_zero("ep_kept", "keep_mem * (v - v_leak)"),
                f"v = clip((v_leak + ep_kept) + ({NOW} + i_syn), v_low, inf)",
                "arriving = 0",
            ]
        ),
        "v >= v_threshold",
        "\n".join(["v = v_reset", *_counted(phases)]),
        "",
        parameters,
        ("v", "i_syn", "arriving"),
    )


def _sigma_delta(phases: int) -> UnitText:
    parameters = ("gain_mem",)
    return UnitText(
        _variables(("v", "sigma", "s", "m"), parameters, phases),
        "\n".join(
            [
                "sigma = sigma + arriving",
                f"ep_current = {_rounded(f'sigma + {NOW}')}",
                *_toward_zero("ep_kept", "(1 - gain_mem) * v"),
                f"v = ep_kept + {_rounded('gain_mem * ep_current')}",
                "ep_theta_now = ep_theta(t - begin)",
                "ep_change = clip(ep_theta_now * floor(v / ep_theta_now + 0.5), 0, 1) - s",
                "m = ep_change * int(abs(ep_change) >= ep_theta_now)",
                "s = s + m",
                *(f"read{k} = read{k} + ep_window{k}(t - begin) * s" for k in range(phases)),
                "arriving = 0",
            ]
        ),
        "m != 0",
        "messages += 1",
        "m",
        parameters,
        ("v", "sigma", "s", "arriving"),
    )


_MODELS: dict[str, Callable[[int], UnitText]] = {
    "sif": _sif,
    "lif": _lif,
    "sigma_delta": _sigma_delta,
    "annealed_sigma_delta": _sigma_delta,
}


def _variables(state: tuple[str, ...], parameters: tuple[str, ...], phases: int) -> str:
    lines = [f"{name} : 1" for name in (*state, "arriving", "drive", "nudge")]
    lines += [f"read{k} : 1" for k in range(phases)]
    lines += ["messages : integer", "begin : second (shared)"]
    return "\n".join([*lines, *(f"{name} : 1 (shared, constant)" for name in parameters)])


def _counted(phases: int) -> list[str]:
    return [*(f"read{k} += ep_window{k}(t - begin)" for k in range(phases)), "messages += 1"]


def _toward_zero(name: str, value: str) -> list[str]:
    """`name` becomes the value cut towards zero on the grid."""
    return [f"ep_exact = {value}", f"{name} = sign(ep_exact) * floor(abs(ep_exact) * {GRID}) / {GRID}"]


def _rounded(value: str) -> str:
    """The value at the nearest point of the grid."""
    return f"floor(({value}) * {GRID} + 0.5) / {GRID}"
