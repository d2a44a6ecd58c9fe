"""The base of the scenario's models: frozen, no unknown keys, no silent conversion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

from annotated_types import Ge, Interval, MinLen
from pydantic import BaseModel, ConfigDict, PlainValidator, WithJsonSchema

from playground.scenario.messages import UnfitError, mismatch

Text = Annotated[str, MinLen(1)]
NonNegative = Annotated[float, Ge(0)]
Count = Annotated[int, Interval(ge=1, le=10**9)]
"""A count of things that a run makes one by one; the limit is far beyond what a run could finish."""
Seed = Annotated[int, Interval(ge=0, lt=2**63)]


class Strict(BaseModel):
    """The base of the scenario's models. `true` is never 1.0, `"1"` never 1, 1.0 no integer; an integer is a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def number(value: Any, *at: str | int) -> float:
    """Return a finite number as a float.

    :param at: keys and list positions from the validated value to this one.
    :raises UnfitError: the value is not a finite number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnfitError(mismatch("a number", value), *at)
    try:
        result = float(value)
    except OverflowError:
        raise UnfitError(mismatch("a number within a float's range", value), *at) from None
    if not math.isfinite(result):
        raise UnfitError(mismatch("a finite number", value), *at)
    return result


def _span(value: Any) -> tuple[float, float]:
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise UnfitError("expected [low, high], two numbers")
    low, high = (number(end, position) for position, end in enumerate(value))
    if low >= high:
        raise UnfitError(f"expected [low, high] with low below high, got [{value[0]}, {value[1]}]")
    return low, high


Span = Annotated[
    tuple[float, float],
    PlainValidator(_span),
    WithJsonSchema({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}),
]
"""`[low, high]`; low is less than high."""
