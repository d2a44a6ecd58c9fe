"""The sections of a sweep as written; `grid` expands them into runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from annotated_types import Interval, MinLen
from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from playground.scenario.base import Count, Seed, Span, Strict
from playground.scenario.expect import Check
from playground.scenario.messages import UnfitError

AxisValues = Annotated[list[Any], MinLen(1)]
AxisPoints = Annotated[int, Interval(ge=2, le=10**9)]

_FORMS = [
    {"values"},
    {"log", "points"},
    {"linear", "points"},
    {"random", "count"},
    {"random", "count", "seed"},
    {"count"},
]


class SweepAxis(Strict):
    """The values that one key takes: a list, an evenly or randomly filled range, or a count (0, 1, ...)."""

    values: AxisValues | None = Field(default=None, description="The values themselves; a bare list means the same.")
    log: Span | None = Field(default=None, description="[low, high], filled evenly by ratio with `points` values.")
    linear: Span | None = Field(default=None, description="[low, high], filled evenly with `points` values.")
    random: Span | None = Field(
        default=None,
        description="[low, high], filled with `count` values drawn by `seed`: by ratio if both ends are positive.",
    )
    points: AxisPoints | None = Field(default=None, description="Number of values, both ends included.")
    count: Count | None = Field(
        default=None, description="Number of random values; without `random`, the integers 0, 1, ..."
    )
    seed: Seed | None = Field(default=None, description="Seed of the random values.")

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if isinstance(value, list):
            return {"values": value}
        if isinstance(value, Mapping | SweepAxis):
            return value
        raise UnfitError(_EXPECTED_AXIS)

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.model_dump(exclude_none=True).keys() not in _FORMS:
            raise UnfitError(_EXPECTED_AXIS)
        if self.log is not None and self.log[0] <= 0:
            raise UnfitError("expected [low, high] with low more than 0", "log")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe a range, or a bare list that replaces it."""
        form = handler.resolve_ref_schema(handler(schema))
        return {"description": form.pop("description", ""), "anyOf": [{"type": "array", "minItems": 1}, form]}


_EXPECTED_AXIS = (
    "expected a list of values, {log: [low, high], points: N}, {linear: [low, high], points: N}, "
    "{random: [low, high], count: N} or {count: N}"
)


class SweepSection(Strict):
    """Many runs of one scenario."""

    over: Mapping[str, SweepAxis] = Field(default={}, description="Every combination of these values, by dotted key.")
    zip: list[Mapping[str, AxisValues]] = Field(default=[], description="Groups of keys whose lists advance together.")
    expect: Mapping[str, Check] = Field(default={}, description="Expectations of all runs together, such as `passed`.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.over and not self.zip:
            raise UnfitError("expected 'over' or 'zip' with at least one key")
        for position, group in enumerate(self.zip):
            lengths = {key: len(values) for key, values in group.items()}
            if len(set(lengths.values())) != 1:
                found = ", ".join(f"{key} has {length}" for key, length in list(lengths.items())[:4])
                raise UnfitError(f"expected lists of equal length, got {found or 'none'}", "zip", position)
        return self
