"""A curve drawn in braille dots, for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Bit of each dot in a braille character, by column (2) and row from the top (4)."""

DECADES = 1.5
"""Positive values that span more powers of ten than this are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class Chart:
    """A drawn curve.

    :param rows: text, top to bottom.
    :param top: the value at the upper edge.
    :param bottom: the value at the lower edge.
    :param logarithmic: whether the vertical axis is.
    """

    rows: tuple[str, ...]
    top: float
    bottom: float
    logarithmic: bool


def draw(values: Sequence[float], width: int = 60, height: int = 6) -> Chart | None:
    """Draw values against their index.

    Each of the `2 * width` dot columns shows the range of the values that fall into it, joined to the column before.

    :param values: at least two finite ones; the others leave a gap.
    :returns: None when there is nothing to draw.
    """
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2:
        return None
    low, high = min(finite), max(finite)
    logarithmic = low > 0 and math.log10(high / low) > DECADES
    scale = math.log10 if logarithmic else float
    floor, span = scale(low), (scale(high) - scale(low)) or 1.0
    levels = [
        round((scale(value) - floor) / span * (4 * height - 1)) if math.isfinite(value) else None for value in values
    ]
    cells = [[0] * width for _ in range(height)]
    for column, (lower, upper) in _ranges(levels, 2 * width):
        for level in range(lower, upper + 1):
            row, dot = divmod(4 * height - 1 - level, 4)
            cells[row][column // 2] |= DOTS[column % 2][dot]
    return Chart(tuple("".join(chr(0x2800 + cell) for cell in row) for row in cells), high, low, logarithmic)


def _ranges(levels: Sequence[int | None], columns: int) -> list[tuple[int, tuple[int, int]]]:
    """Return the lowest and highest level of each column that has any, stretched to meet its left neighbour."""
    found: list[tuple[int, tuple[int, int]]] = []
    last: int | None = None
    for column in range(columns):
        first_index = column * len(levels) // columns
        bucket = levels[first_index : max(first_index + 1, (column + 1) * len(levels) // columns)]
        present = [level for level in bucket if level is not None]
        if not present:
            last = None
            continue
        joined = [*present, last] if last is not None else present
        found.append((column, (min(joined), max(joined))))
        last = present[-1]
    return found
