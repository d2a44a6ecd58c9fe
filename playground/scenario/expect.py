"""The conditions that a scenario sets on one measured quantity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import Annotated, Any, Self

from annotated_types import Gt
from pydantic import Field, GetJsonSchemaHandler, PlainValidator, WithJsonSchema, model_validator
from pydantic_core import CoreSchema

from playground.scenario.base import Strict, number
from playground.scenario.messages import UnfitError, mismatch


def shape_of(value: Any, *at: int, whole: bool = False) -> tuple[int, ...]:
    """Return the shape of nested lists of numbers; () for a number.

    :raises UnfitError: an entry is not a number, or the shapes of sibling lists differ.
    """
    if not isinstance(value, list):
        if whole and not number(value, *at).is_integer():
            raise UnfitError(mismatch("a whole number", value), *at)
        number(value, *at)
        return ()
    shapes = [shape_of(entry, *at, position, whole=whole) for position, entry in enumerate(value)]
    for position, shape in enumerate(shapes):
        if shape != shapes[0]:
            expected = f"expected {describe_shape(shapes[0])} like the first entry"
            raise UnfitError(f"{expected}, got {describe_shape(shape)}", *at, position)
    return (len(value), *(shapes[0] if shapes else ()))


def describe_shape(shape: Sequence[int | EllipsisType]) -> str:
    """Return a shape in words: `a list of 4 × 1`; `...` stands for further, unknown lengths."""
    lengths = [str(length) for length in shape if length is not ...]
    return f"a list of {' × '.join(lengths)}" if lengths else "a number"


def _numbers(value: Any) -> Any:
    if not _is_nested(value):
        raise UnfitError(mismatch("a number or nested lists of numbers", value))
    shape_of(value)
    return value


def _whole_numbers(value: Any) -> Any:
    if not _is_nested(value):
        raise UnfitError(mismatch("a whole number or nested lists of whole numbers", value))
    shape_of(value, whole=True)
    return value


def _text_or_numbers(value: Any) -> Any:
    if not _is_nested(value) and not isinstance(value, str):
        raise UnfitError(mismatch("a number, nested lists of numbers or a text", value))
    return value if isinstance(value, str) else _numbers(value)


def _is_nested(value: Any) -> bool:
    return isinstance(value, list | int | float) and not isinstance(value, bool)


ExpectedNumbers = Annotated[Any, PlainValidator(_numbers), WithJsonSchema({"type": ["number", "array"]})]
"""A number, or nested lists of numbers that form a regular array."""
WholeNumbers = Annotated[Any, PlainValidator(_whole_numbers), WithJsonSchema({"type": ["number", "array"]})]
TextOrNumbers = Annotated[
    Any, PlainValidator(_text_or_numbers), WithJsonSchema({"type": ["number", "array", "string"]})
]


class Check(Strict):
    """The conditions on one quantity; all of them must hold. A bare value `v` means `{equals: v}`."""

    below: float | None = Field(default=None, description="The quantity is less than this.")
    above: float | None = Field(default=None, description="The quantity is more than this.")
    at_least: float | None = Field(default=None, description="The quantity is this or more.")
    at_most: float | None = Field(default=None, description="The quantity is this or less.")
    near: ExpectedNumbers | None = Field(default=None, description="Each entry differs from this by at most `within`.")
    within: Annotated[float, Gt(0)] | None = Field(
        default=None, description="The largest difference that `near` allows."
    )
    equals: TextOrNumbers | None = Field(default=None, description="The quantity is exactly this.")
    rounded: WholeNumbers | None = Field(default=None, description="The quantity, rounded to whole numbers, is this.")

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if isinstance(value, Mapping | Check):
            return value
        if value is None:
            raise UnfitError("expected a value, or conditions such as {below: 0.1}, got null")
        return {"equals": value}

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.near is not None and self.within is None:
            raise UnfitError("'near' needs 'within', such as {near: 1, within: 0.01}")
        if self.within is not None and self.near is None:
            raise UnfitError("'within' needs 'near', such as {near: 1, within: 0.01}")
        if not self.model_dump(exclude_none=True):
            raise UnfitError(f"expected at least one condition (accepted: {', '.join(type(self).model_fields)})")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe the conditions, or a bare value that replaces them."""
        conditions = handler.resolve_ref_schema(handler(schema))
        bare = {"type": ["number", "array", "string"], "description": "the quantity is exactly this"}
        return {"description": conditions.pop("description", ""), "anyOf": [conditions, bare]}
