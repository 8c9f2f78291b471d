"""Chip profiles: the limits of one chip, each with its source. Unknown values are None."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Generic, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr

from mep_neuro.errors import ChipProfileError
from mep_neuro.topology.mistakes import Mistake, dotted, unknown
from mep_neuro.topology.source import text_of
from mep_neuro.topology.structure import structural_mistakes
from mep_neuro.topology.tree import Node, Unreadable, data_of, mark_of
from mep_neuro.topology.yaml_tree import parse_tree

Count = Annotated[int, Field(strict=True, ge=1, le=10**15)]
Whole = Annotated[int, Field(strict=True, ge=-(10**6), le=10**6)]
Real = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
NeuronKind = Literal["sigma_delta", "lif", "rate"]
Value = TypeVar("Value")


class Statement(BaseModel):
    """Where a value of a profile is from.

    Attributes:
        source: Where it was published or read, or why it is unknown.
        assumed: Whether it is our reading rather than the vendor's statement.
        note: What a user should know of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: StrictStr = Field(min_length=1, description="where the value is from")
    assumed: StrictBool = False
    note: StrictStr = ""


class Limit(Statement, Generic[Value]):
    """One value of a chip; None where it is unknown."""

    value: Value | None


class Range(Statement):
    """A cost between two ends; an end that nobody published is None.

    Where the low end alone is None, 0 is still a lower bound; where both are, nothing is known.
    """

    low: Real | None
    high: Real | None

    @property
    def known(self) -> bool:
        """Whether anything is known."""
        return self.low is not None or self.high is not None


class Analog(BaseModel):
    """How far analog weights are from those that were programmed.

    Attributes:
        noise_additive: Deviation of a weight in shares of the largest weight of its projection.
        noise_multiplicative: Deviation of a weight in shares of itself.
        drift_exponent: nu of (t / t0)^-nu, by which a weight shrinks in time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    noise_additive: Range
    noise_multiplicative: Range
    drift_exponent: Range


class ChipProfile(BaseModel):
    """The limits of one chip. Sizes are counts, memories bytes, energies joules, times seconds.

    `feedback` says whether two units can drive each other, each by a weight of its own, as every
    network of Equilibrium Propagation needs; `synapses_per_weight` how many hardware synapses make
    one weight that may have either sign. `time_per_step` is what a step takes beside its updates
    and events, such as waiting for the slowest core.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_: Literal["mep-neuro-chip/1"] = Field(alias="schema")
    name: StrictStr = Field(min_length=1)
    title: StrictStr = ""

    neurons: Limit[tuple[NeuronKind, ...]]
    feedback: Limit[StrictBool]
    cores: Limit[Count]
    neurons_per_core: Limit[Count]
    neurons_per_chip: Limit[Count]
    synapses_per_core: Limit[Count]
    synapses_per_chip: Limit[Count]
    synapses_per_weight: Limit[Count]
    synapse_memory_per_core: Limit[Count]
    bits_per_synapse: Limit[Count]
    axons_in_per_core: Limit[Count]
    axons_out_per_core: Limit[Count]
    fan_in_per_neuron: Limit[Count]
    fan_out_per_neuron: Limit[Count]
    inputs_per_chip: Limit[Count]
    outputs_per_chip: Limit[Count]

    weight_bits: Limit[Count]
    weight_low: Limit[Whole]
    weight_high: Limit[Count]
    weight_step: Limit[Count]
    weight_exponent_low: Limit[Whole]
    weight_exponent_high: Limit[Whole]
    register_bits: Limit[Count]
    dendrite_bits: Limit[Count]
    message_bits: Limit[Count]
    bias_bits: Limit[Count]
    lif_bias_mantissa_bits: Limit[Count]
    lif_bias_exponent_bits: Limit[Count]
    lif_threshold_bits: Limit[Count]
    decay_bits: Limit[Count]
    delay_bits: Limit[Count]
    analog: Analog | None = None

    energy_per_synaptic_event: Range
    energy_per_neuron_update: Range
    energy_per_message: Range
    time_per_synaptic_event: Range
    time_per_neuron_update: Range
    time_per_step: Range
    power: Range

    def number(self, name: str) -> int:
        """A whole number of the profile that must be known.

        Raises:
            ChipProfileError: The profile holds null there.
        """
        value: int | None = getattr(self, name).value
        if value is None:
            raise ChipProfileError(
                [f"chip '{self.name}': {name} is unknown (null); give it, with its source, in a profile file"]
            )
        return value

    def origin(self, name: str) -> str:
        """Where a value stands, as messages name it: 'hardware/loihi2.yaml: cores'."""
        return f"hardware/{self.name}.yaml: {name}"


def read_profile(name_or_path: str | Path) -> ChipProfile:
    """Read a profile of the library by name, or one's own by path.

    Args:
        name_or_path: Such as 'loihi2', or the path of a .yaml file.

    Raises:
        ChipProfileError: There is no such profile, or the file has mistakes; all of them are listed,
            each `file:line:column: where: what; what to do`.
    """
    path = _path(str(name_or_path))
    root: Node | None = None
    try:
        root, mistakes = parse_tree(text_of(path))
        if root is None:
            mistakes = [Mistake((), "is empty; write a profile, or copy one of the library")]
        else:
            mistakes += structural_mistakes(ChipProfile, data_of(root))
    except Unreadable as error:
        mistakes = error.mistakes
    if not mistakes:
        profile = ChipProfile.model_validate(data_of(cast(Node, root)))
        mistakes = list(_contradictions(profile))
    if mistakes:
        raise ChipProfileError(list(dict.fromkeys(_line(path, root, mistake) for mistake in mistakes)))
    return profile


def profile_names() -> tuple[str, ...]:
    """Names of the library's profiles, sorted."""
    return tuple(sorted(path.stem for path in _library().glob("*.yaml")))


def _contradictions(profile: ChipProfile) -> Iterator[Mistake]:
    """Values that cannot all be true."""
    for name, item in (*profile, *(profile.analog or ())):
        if isinstance(item, Range) and None not in (item.low, item.high) and item.low > item.high:  # type: ignore[operator]  # neither is None here
            path = (name,) if name in ChipProfile.model_fields else ("analog", name)
            yield Mistake((*path, "high"), f"{item.high:g} is below low {item.low:g}; exchange them")
    low, high, step = (profile.weight_low.value, profile.weight_high.value, profile.weight_step.value)
    if low is not None and low >= 0:
        yield Mistake(("weight_low", "value"), f"{low} leaves no negative weights; write a number below 0")
    if high is not None and step is not None and step > high:
        yield Mistake(("weight_step", "value"), f"{step} exceeds weight_high {high}; write at most that")
    for what in ("neurons", "synapses"):
        core, chip = (getattr(profile, f"{what}_per_{part}").value for part in ("core", "chip"))
        cores = profile.cores.value
        if None not in (core, chip, cores) and not core <= chip <= core * cores:
            text = f"{chip} is not between one core's {core} and those of {cores} cores; correct one of them"
            yield Mistake((f"{what}_per_chip", "value"), text)


def _library() -> Path:
    return Path(str(files("mep_neuro.hardware")))


def _path(name: str) -> Path:
    if name in profile_names():
        return _library() / f"{name}.yaml"
    if not name.endswith((".yaml", ".yml")):
        raise ChipProfileError([f"chip: {unknown('profile', name, profile_names())}, or give a .yaml file"])
    if not Path(name).exists():
        known = ", ".join(profile_names())
        raise ChipProfileError(
            [f"{name}: does not exist; check the path, or name one of the library ({known})"]
        )
    return Path(name)


def _line(path: Path, root: Node | None, mistake: Mistake) -> str:
    mark = mistake.mark or (None if root is None else mark_of(root, mistake.path, at_key=mistake.at_key))
    place = "" if mark is None else f"{mark.line}:{mark.column}:"
    return f"{path}:{place} {dotted(mistake.path)}: {mistake.text}"
