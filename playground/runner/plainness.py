"""Results are plain data: what a task measured as tensors becomes numbers, and what is neither is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from playground.engine.task import Outcome
from playground.errors import ComponentError


def plain_outcome(outcome: Outcome) -> Outcome:
    """Return a task's outcome as plain data.

    :raises ComponentError: it is no `Outcome`, or holds something that is neither numbers nor text.
    """
    if not isinstance(outcome, Outcome):
        raise ComponentError(f"the task returned a {type(outcome).__name__}, expected an Outcome")
    return replace(
        outcome,
        metrics={str(name): _plain(value, str(name)) for name, value in outcome.metrics.items()},
        predictions=_plain(outcome.predictions, "predictions"),
        points=tuple(_plain(point, "points") for point in outcome.points),
    )


def _plain(value: Any, name: str) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item, name) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, name) for item in value]
    if callable(listed := getattr(value, "tolist", None)):  # a tensor, an array, one number of either
        return listed()
    raise ComponentError(f"{name} is a {type(value).__name__}, expected numbers, text, or lists of them")
