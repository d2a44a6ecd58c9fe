"""Numbers as people read them."""

from __future__ import annotations

import math
from typing import Any


def short(value: Any, digits: int = 4) -> str:
    """Return a number, text or nested lists of numbers with few digits: `0.01256`, `1.3e-09`, `[[3.2, 3.5]]`."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(short(item, digits) for item in value)}]"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    if value == round(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.{digits}g}"


def fixed(value: Any) -> str:
    """Return a number with four decimals, so that a column lines up; very small and very large ones stay short."""
    if isinstance(value, float) and math.isfinite(value) and value != round(value) and 1e-4 <= abs(value) < 1e5:
        return f"{value:.4f}"
    return short(value)


def cut(text: str, width: int) -> str:
    """Return the text, or its beginning and an ellipsis when it is longer than `width`."""
    return text if len(text) <= width else text[: width - 1] + "…"


def duration(seconds: float) -> str:
    """Return a time with its unit: `180 ms`, `2.3 s`, `3 min 20 s`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {seconds % 60:.0f} s"
