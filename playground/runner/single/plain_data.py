"""Converts what a task measured to plain data, and refuses other values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from playground.core.task import Outcome
from playground.errors import ComponentError


def plain_outcome(outcome: Outcome) -> Outcome:
    """Return a task's outcome as plain data.

    :raises ComponentError: it is not an `Outcome`, or contains values that are neither numbers nor text.
    """
    if not isinstance(outcome, Outcome):
        raise ComponentError(f"the task answered: expected an Outcome, got {type(outcome).__name__}")
    return replace(
        outcome,
        metrics=plain_value(outcome.metrics, "metrics"),
        predictions=plain_value(outcome.predictions, "predictions"),
        points=tuple(plain_value(outcome.points, "points")),
    )


def plain_value(value: Any, name: str) -> Any:
    """Return numbers and text unchanged, and tensors and arrays as lists, also inside lists and mappings.

    :param name: name of the value in the message.
    :raises ComponentError: the value contains anything else.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain_value(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(item, name) for item in value]
    if callable(listed := getattr(value, "tolist", None)):  # a tensor, an array, one number of either
        return listed()
    raise ComponentError(f"the task measured {name!r}: expected numbers or text, got {type(value).__name__}")
