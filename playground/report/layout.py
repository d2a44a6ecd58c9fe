"""Lines of a terminal: safe text, columns that line up, sentences that wrap under themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from playground.figures.text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

GAP = 2
"""Blanks between two columns."""

NARROWEST = 8
"""A column that gives way keeps at least this width."""


def styled(*parts: str | tuple[str, str]) -> Text:
    """Return text from parts, each plain or with a style; in none of them anything is interpreted."""
    from rich.text import Text

    pairs = [part if isinstance(part, tuple) else (part, "") for part in parts]
    return Text().join(Text(printable(text), style) for text, style in pairs)


def lined_up(
    rows: Iterable[Sequence[str | Text]], right: Collection[int] = (), give: int | None = None, width: int = 0
) -> list[Text]:
    """Return one line for each row, columns below each other.

    :param right: the columns whose cells stand to the right.
    :param give: the column that is cut so that a line fits.
    :param width: what it has to fit into.
    """
    cells = [[styled(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    widths = [max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)]
    if give is not None:
        excess = sum(widths) + GAP * (len(widths) - 1) - width
        widths[give] = min(widths[give], max(NARROWEST, widths[give] - excess))
    for row in cells:
        for index, cell in enumerate(row):
            cell.truncate(widths[index], overflow="ellipsis")
            cell.align("right" if index in right else "left", widths[index])
    lines = [styled(" " * GAP).join(row) for row in cells]
    for line in lines:
        line.rstrip()
    return lines


def rule(*lines: Text) -> Text:
    """Return a line as long as the longest of `lines`, to stand between a head and what is below it."""
    return styled(("─" * max(line.cell_len for line in lines), "dim"))


def put(console: Console, lines: Iterable[Text], indent: int = 0) -> None:
    """Print lines, each on one line of the console, cut at its edge."""
    for line in lines:
        console.print(styled(" " * indent) + line, no_wrap=True, overflow="ellipsis", highlight=False)


def put_wrapped(console: Console, text: Text, indent: int = 0, hang: int = 2) -> None:
    """Print a sentence on as many lines as it needs.

    :param indent: blanks before the first line.
    :param hang: blanks more before the others.
    """
    lines = text.wrap(console, max(NARROWEST, console.width - indent - hang))
    for index, line in enumerate(lines):
        line.rstrip()
        put(console, [line], indent + (hang if index else 0))
