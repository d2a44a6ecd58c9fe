from __future__ import annotations

import math
import unicodedata

import pytest

from playground.figures.curve import curve
from playground.report.braille import draw

PLACES = {1: (0, 0), 2: (0, 1), 3: (0, 2), 7: (0, 3), 4: (1, 0), 5: (1, 1), 6: (1, 2), 8: (1, 3)}
"""Column and row of each dot, by the number that the Unicode name of a braille character gives it."""


def dots(rows):
    """Read a drawing: the levels that are set in each dot column, 0 at the lower edge."""
    top = 4 * len(rows) - 1
    found = {}
    for y, row in enumerate(rows):
        for x, character in enumerate(row):
            for number in unicodedata.name(character).partition("DOTS-")[2]:
                column, dot = PLACES[int(number)]
                found.setdefault(2 * x + column, set()).add(top - 4 * y - dot)
    return [found.get(column, set()) for column in range(max(found) + 1)]


@pytest.mark.parametrize(
    ("values", "width", "height", "levels"),
    [
        ([3.0, 2.0, 1.0, 0.0], 2, 1, [{3}, {3, 2}, {2, 1}, {1, 0}]),
        ([1.0, 1.0, 0.0, 0.0], 2, 2, [{7}, {7}, set(range(8)), {0}]),
        ([0.0, 1.0] * 20, 2, 1, [{0, 1, 2, 3}] * 4),
        ([1.0, math.nan, 0.0, math.nan, 1.0, 0.5], 3, 1, [{3}, set(), {0}, set(), {3}, {3, 2}]),
        ([2.0, 1.0, 0.0], 2, 1, [{3}, {3, 2}, {2, 1}, {1, 0}]),
    ],
)
def test_draw(values, width, height, levels):
    assert dots(draw(curve(values), width, height)) == levels


def test_no_blank_stands_at_the_end():
    rows = draw(curve([2.0, 1.0, 0.0]), width=30, height=6)
    assert len(rows) == 6
    assert not any(row.endswith("\u2800") for row in rows)
