"""Chip profiles: the limits of one chip, each with its source. Unknown values are None."""

import difflib
from importlib import resources
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from mep_neuro.errors import ChipProfileError

Number = TypeVar("Number", int, float)


class Limit(BaseModel, Generic[Number]):
    """One number of a chip.

    Attributes:
        value: The number; None where it is unknown.
        source: Where it was published or read, or why it is unknown.
        assumed: Whether it is our reading rather than the vendor's statement.
        note: What a user should know of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    value: Number | None
    source: str = Field(min_length=1)
    assumed: bool = False
    note: str = ""


class ChipProfile(BaseModel):
    """The limits of one chip. Sizes are counts, memories bytes, energies joules, times seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal["mep-neuro-chip/1"] = Field(alias="schema")
    name: str = Field(min_length=1)
    title: str = ""
    cores: Limit[int]
    neurons_per_core: Limit[int]
    neurons_per_chip: Limit[int]
    synapses_per_chip: Limit[int]
    synapse_memory_per_core: Limit[int]
    axons_in_per_core: Limit[int]
    axons_out_per_core: Limit[int]
    weight_bits: Limit[int]
    weight_low: Limit[int]
    weight_high: Limit[int]
    weight_step: Limit[int]
    weight_exponent_low: Limit[int]
    weight_exponent_high: Limit[int]
    register_bits: Limit[int]
    message_bits: Limit[int]
    bias_bits: Limit[int]
    lif_bias_mantissa_bits: Limit[int]
    lif_bias_exponent_bits: Limit[int]
    lif_threshold_bits: Limit[int]
    decay_bits: Limit[int]
    delay_bits: Limit[int]
    energy_per_synaptic_event: Limit[float]
    energy_per_neuron_update: Limit[float]
    energy_per_message: Limit[float]
    time_per_step: Limit[float]

    @model_validator(mode="after")
    def _possible(self) -> "ChipProfile":
        for name, limit in self:
            if isinstance(limit, Limit) and limit.value is not None:
                negative = name in ("weight_low", "weight_exponent_low")
                if not negative and limit.value <= 0:
                    raise ValueError(f"{name} is {limit.value}; give a number above 0, or null if unknown")
        return self

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
    text, file = _text(str(name_or_path))
    try:
        document = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = "" if mark is None else f":{mark.line + 1}:{mark.column + 1}"
        raise ChipProfileError(
            [f"{file}{place}: no valid YAML: {error.problem}; mend the line or the one before it"]
        ) from error
    except (YAMLError, ValueError) as error:
        raise ChipProfileError([f"{file}: no valid YAML: {error}; mend the file"]) from error
    if not isinstance(document, dict):
        raise ChipProfileError([f"{file}:1:1: not a mapping; write keys such as 'name: loihi2'"])
    try:
        return ChipProfile.model_validate(_plain(document))
    except ValidationError as error:
        raise ChipProfileError([_mistake(file, document, item) for item in error.errors()]) from error


def profile_names() -> tuple[str, ...]:
    """Names of the library's profiles."""
    folder = resources.files("mep_neuro.hardware")
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".yaml")))


def _text(name: str) -> tuple[str, str]:
    if name in profile_names():
        return (resources.files("mep_neuro.hardware") / f"{name}.yaml").read_text("utf-8"), f"{name}.yaml"
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        try:
            return path.read_text("utf-8"), name
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            raise ChipProfileError([f"{name}: cannot be read: {reason}; give a chip profile"]) from error
    near = difflib.get_close_matches(name, profile_names(), n=1)
    question = f"did you mean '{near[0]}'? " if near else "give a name or the path of a .yaml file "
    raise ChipProfileError(
        [f"chip '{name}': unknown profile; {question}(known: {', '.join(profile_names())})"]
    )


def _plain(value: Any) -> Any:
    """Ruamel's mappings and scalars as plain ones, so that strict validation knows them."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, bool) or value is None:
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _mistake(file: str, document: Any, item: Any) -> str:
    where = [str(part) for part in item["loc"]]
    line, column, inside = 1, 1, document
    for part in where:
        if not isinstance(inside, dict) or part not in inside:
            break
        line, column = (n + 1 for n in inside.lc.key(part))  # type: ignore[attr-defined]  # ruamel's mapping
        inside = inside[part]
    what = item["msg"].removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        what = "unknown key; remove it or mend its spelling"
    elif item["type"] == "missing":
        what = "missing; write it, with value null where it is unknown"
    elif "; " not in what:
        what += "; mend it"
    return f"{file}:{line}:{column}: {'.'.join(where) or 'profile'}: {what}"
