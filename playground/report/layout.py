"""Lines of a terminal: safe text, columns that line up, sentences that wrap under themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from playground.figures.charset import encode_signs
from playground.figures.text import make_printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

COLUMN_GAP = 2
"""Blanks between two columns."""

MIN_COLUMN_WIDTH = 8
"""A column that gives way keeps at least this width."""

READABLE_WIDTH = 100
"""Characters of a line of prose or of numbers, where there is room for more."""

UNLIMITED_WIDTH = 100_000
"""Characters of a line where there is no terminal: nothing is cut."""

_ENCODING: ContextVar[str] = ContextVar("encoding", default="utf-8")
"""What the lines that are being laid out are written in: words that stand for signs change the width of columns."""


@contextmanager
def use_encoding(console: Console) -> Iterator[None]:
    """Lay lines out for a console whose encoding may lack our signs."""
    before = _ENCODING.set(console.encoding)
    try:
        yield
    finally:
        _ENCODING.reset(before)


def console_text(text: str) -> str:
    """Return text on one line, in characters that the console has."""
    return encode_signs(make_printable(text), _ENCODING.get())


def style_text(*parts: str | tuple[str, str]) -> Text:
    """Return text from parts, each plain or with a style; in none of them anything is interpreted."""
    from rich.text import Text

    pairs = [part if isinstance(part, tuple) else (part, "") for part in parts]
    return Text().join(Text(console_text(text), style) for text, style in pairs)


def align_columns(
    rows: Iterable[Sequence[str | Text]], right: Collection[int] = (), give: int | None = None, width: int = 0
) -> list[Text]:
    """Return one line for each row, columns below each other.

    :param right: the columns whose cells stand to the right.
    :param give: the column that is cut so that a line fits.
    :param width: what it has to fit into.
    """
    cells = [[style_text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    widths = [max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)]
    if give is not None:
        excess = sum(widths) + COLUMN_GAP * (len(widths) - 1) - width
        widths[give] = min(widths[give], max(MIN_COLUMN_WIDTH, widths[give] - excess))
    for row in cells:
        for index, cell in enumerate(row):
            _cut(cell, widths[index])
            cell.align("right" if index in right else "left", widths[index])
    lines = [style_text(" " * COLUMN_GAP).join(row) for row in cells]
    for line in lines:
        line.rstrip()
    return lines


def columns(
    heads: Sequence[str], rows: Iterable[Sequence[str | Text]], right: Collection[int], width: int
) -> list[Text]:
    """Return a table under a head and a line; the first column gives way to the others.

    Where that is not enough, columns are left out from the right, and a last line says which.

    :param heads: names; an empty one belongs to the same column as the one before.
    """
    table: list[list[str | Text]] = [[style_text((head, "dim")) for head in heads], *([*row] for row in rows)]
    ends = [index for index, head in enumerate(heads) if head and index] + [len(heads)]
    for end in reversed(ends):
        head, *lines = align_columns([row[:end] for row in table], right, give=0, width=width)
        if max(line.cell_len for line in (head, *lines)) <= width:
            break
    gone = ", ".join(filter(None, heads[end:]))
    note = [style_text((f"left out for want of width: {gone}", "dim"))] if gone else []
    return [head, rule(head, *lines), *lines, *note]


def _cut(text: Text, width: int) -> None:
    """Cut text that is too long, and mark that: by an ellipsis, in characters that the console has."""
    if text.cell_len > width:
        mark = console_text("…")[:width]
        text.truncate(width - len(mark))
        text.append(mark)


def rule(*lines: Text) -> Text:
    """Return a line as long as the longest of `lines`, to stand between a head and what is below it."""
    return style_text(("─" * max(line.cell_len for line in lines), "dim"))


def print_lines(console: Console, lines: Iterable[Text], indent: int = 0) -> None:
    """Print lines, each on one line of the console, cut at its edge."""
    for line in lines:
        whole = style_text(" " * indent) + line
        _cut(whole, console.width)
        console.print(whole, no_wrap=True, overflow="crop", highlight=False)


def print_wrapped(console: Console, text: Text, indent: int = 0, hang: int = 2) -> None:
    """Print a sentence on as many lines as it needs.

    :param indent: blanks before the first line.
    :param hang: blanks more before the others.
    """
    lines = text.wrap(console, max(MIN_COLUMN_WIDTH, console.width - indent - hang))
    for index, line in enumerate(lines):
        line.rstrip()
        print_lines(console, [line], indent + (hang if index else 0))
