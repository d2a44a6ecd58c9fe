"""Encodes numbers for a page: few digits, valid JSON only, large grids in little space."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SIGNIFICANT_DIGITS = 6
"""Significant digits of a number in a page; a screen shows fewer."""

PACKING_LEVELS = 65_534
"""Number of steps in the range of a packed grid; one further value marks numbers that are not finite."""

MAX_GEOMETRIC_VALUES = 2_000
"""Maximum number of values of a row; a longer row is thinned, evenly by ratio."""


def round_data(value: Any) -> Any:
    """Return plain data with rounded numbers; None replaces numbers that are not finite."""
    if isinstance(value, bool) or value is None or isinstance(value, int | str):
        return value
    if isinstance(value, float):
        return _round_number(value)
    if isinstance(value, Mapping):
        return {str(key): round_data(item) for key, item in value.items()}
    return [round_data(item) for item in value]


def _round_number(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    short = float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def pack_grids(grids: Sequence[Sequence[Sequence[float]]]) -> dict[str, Any]:
    """Return grids of one size as text that the page unpacks: two bytes a value, exact to 1/65534 of their range.

    :returns: `{"shape": [grids, rows, columns], "low": ..., "high": ..., "data": base64}`; `data` is little-endian,
        with 65535 for numbers that are not finite.
    """
    import numpy as np

    values = np.asarray(grids, dtype=np.float64)
    finite = np.isfinite(values)
    low, high = (float(values[finite].min()), float(values[finite].max())) if finite.any() else (0.0, 0.0)
    scaled = (np.where(finite, values, low) - low) / ((high - low) or 1.0) * PACKING_LEVELS
    # rounding to levels of the common range; the value beyond the last level marks gaps
    whole = np.where(finite, np.rint(scaled), PACKING_LEVELS + 1).astype("<u2")
    return {"shape": list(values.shape), "low": low, "high": high, "data": base64.b64encode(whole.tobytes()).decode()}


def thin_indices(count: int, most: int = MAX_GEOMETRIC_VALUES) -> Sequence[int]:
    """Return the indices to draw: all, or at most `most` of them, evenly spaced by ratio, both ends included."""
    if count <= most:
        return range(count)
    ratio = math.log(count) / (most - 1)
    return sorted({*(min(count, round(math.exp(ratio * i))) - 1 for i in range(most)), count - 1})


def padded_range(values: Iterable[float | None], room: float = 0.06) -> list[float]:
    """Return a range that contains all finite values, with some room at both ends."""
    finite = [value for value in values if value is not None and math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    more = room * (high - low) if high > low else 0.5 * max(1.0, abs(low))
    return [low - more, high + more]
