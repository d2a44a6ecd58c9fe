"""Results are plain data: what a task measured as tensors becomes numbers, and what cannot is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from playground.core.task import Outcome
from playground.errors import ComponentError


def plain_outcome(outcome: Outcome) -> Outcome:
    """Return a task's outcome as plain data.

    :raises ComponentError: it is no `Outcome`, or holds something that is neither numbers nor text.
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
    """Return numbers and text as they are, tensors and arrays as lists, and what holds them likewise.

    :param name: what the value is called in the message.
    :raises ComponentError: there is something else in it.
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
