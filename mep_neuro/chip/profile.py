"""Chip profiles: the limits of one chip, each with its source. Unknown values are None."""

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
Number = TypeVar("Number", int, float)


class Limit(BaseModel, Generic[Number]):
    """One number of a chip.

    Attributes:
        value: The number; None where it is unknown.
        source: Where it was published or read, or why it is unknown.
        assumed: Whether it is our reading rather than the vendor's statement.
        note: What a user should know of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Number | None
    source: StrictStr = Field(min_length=1, description="where the value is from")
    assumed: StrictBool = False
    note: StrictStr = ""


class ChipProfile(BaseModel):
    """The limits of one chip. Sizes are counts, memories bytes, energies joules, times seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_: Literal["mep-neuro-chip/1"] = Field(alias="schema")
    name: StrictStr = Field(min_length=1)
    title: StrictStr = ""
    cores: Limit[Count]
    neurons_per_core: Limit[Count]
    neurons_per_chip: Limit[Count]
    synapses_per_chip: Limit[Count]
    synapse_memory_per_core: Limit[Count]
    axons_in_per_core: Limit[Count]
    axons_out_per_core: Limit[Count]
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
    energy_per_synaptic_event: Limit[Real]
    energy_per_neuron_update: Limit[Real]
    energy_per_message: Limit[Real]
    time_per_step: Limit[Real]

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
    if mistakes:
        raise ChipProfileError(list(dict.fromkeys(_line(path, root, mistake) for mistake in mistakes)))
    return ChipProfile.model_validate(data_of(cast(Node, root)))


def profile_names() -> tuple[str, ...]:
    """Names of the library's profiles, sorted."""
    return tuple(sorted(path.stem for path in _library().glob("*.yaml")))


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
