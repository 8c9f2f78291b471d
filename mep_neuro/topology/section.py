"""What every section of a topology file is made of: strict numbers, times with units, no unknown keys."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from mep_neuro.topology.units import format_time, parse_time

Time = Annotated[
    float,
    BeforeValidator(parse_time, json_schema_input_type=str),
    PlainSerializer(format_time, return_type=str),
]
Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0)]
Fraction = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0, le=1)]
Share = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1)]
Count = Annotated[int, Field(strict=True, ge=1, le=10_000_000)]
Side = Annotated[int, Field(strict=True, ge=1, le=10_000)]
Radius = Annotated[int, Field(strict=True, ge=1, le=16)]
Seed = Annotated[int, Field(strict=True, ge=0, le=2**63 - 1)]


class Section(BaseModel):
    """One mapping of the file: unknown keys are mistakes, values do not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
