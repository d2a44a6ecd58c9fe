"""Selects the V-curve of a derivative check for a report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def v_curve(points: Sequence[Mapping[str, Any]]) -> tuple[str, list[float], list[float]] | None:
    """Return the V-curve of the first derivative with a fault; if there is none, of the first derivative.

    :param points: the points of a run.
    :returns: the derivative's name, the step sizes in ascending order, and the error of a central difference at each;
        None if there is no curve.
    """
    every = [(point, entry) for point in points for entry in point.get("derivatives", ()) if entry.get("curve")]
    if not every:
        return None
    point, entry = next(((point, entry) for point, entry in every if entry["finding"]), every[0])
    at = ", ".join(f"{name} = {value}" for name, value in point["at"].items())
    name = f"by {' '.join(entry['by'])}{f' at {at}' if at else ''}"
    pairs = [(step, error) for step, error in reversed(entry["curve"]) if math.isfinite(error)]
    return (name, [step for step, _ in pairs], [error for _, error in pairs]) if pairs else None
