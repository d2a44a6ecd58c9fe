"""What a derivative check has to show besides its table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def v_curve(points: Sequence[Mapping[str, Any]]) -> tuple[str, list[float], list[float]] | None:
    """Return the V-curve most worth seeing: of the first derivative that something is wrong with, else of the first.

    :param points: of a run.
    :returns: which derivative it is of, the steps from short to long, and the error of a central difference at each;
        None where there is none.
    """
    every = [(point, entry) for point in points for entry in point.get("derivatives", ()) if entry.get("curve")]
    if not every:
        return None
    point, entry = next(((point, entry) for point, entry in every if entry["finding"]), every[0])
    at = ", ".join(f"{name} = {value}" for name, value in point["at"].items())
    told = f"by {' '.join(entry['by'])}{f' at {at}' if at else ''}"
    pairs = [(step, error) for step, error in reversed(entry["curve"]) if math.isfinite(error)]
    return (told, [step for step, _ in pairs], [error for _, error in pairs]) if pairs else None
