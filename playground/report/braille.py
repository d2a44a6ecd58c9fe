"""Draws a curve in braille dots, for a terminal."""

from __future__ import annotations

from playground.figures.curve import ScaledCurve

DOT_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bit of each dot in a braille character, by column (2) and row from the top (4)."""

BLANK_BRAILLE = 0x2800
"""The blank braille character; the others follow in the order of their bits."""


def draw(curve: ScaledCurve, width: int = 60, height: int = 6) -> list[str]:
    """Return a curve as lines of text, top to bottom.

    Each of the `2 * width` dot columns shows the range of the heights in it, joined to the previous column.
    """
    cells = [[BLANK_BRAILLE] * width for _ in range(height)]
    top = 4 * height - 1
    last: list[int] = []
    for column, heights in enumerate(curve.buckets(2 * width)):
        levels = [round(height * top) for height in heights]
        for level in _stretch_levels(levels, last):
            row, dot = divmod(top - level, 4)
            cells[row][column // 2] |= DOT_BITS[column % 2][dot]
        last = levels[-1:]
    return ["".join(map(chr, row)).rstrip(chr(BLANK_BRAILLE)) for row in cells]


def _stretch_levels(levels: list[int], last: list[int]) -> range:
    """Return the levels from the lowest to the highest, extended to meet the levels of the previous column."""
    return range(min(levels + last), max(levels + last) + 1) if levels else range(0)
