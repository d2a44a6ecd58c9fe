"""Lays out lines for a terminal: safe text, aligned columns, sentences with hanging indents."""

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
"""Minimum width of a column that is shortened."""

READABLE_WIDTH = 100
"""Maximum number of characters of a line of prose or of numbers."""

UNLIMITED_WIDTH = 100_000
"""Characters of a line if there is no terminal: nothing is cut."""

_ENCODING: ContextVar[str] = ContextVar("encoding", default="utf-8")
"""The output encoding; words that replace signs change the width of columns."""


@contextmanager
def use_encoding(console: Console) -> Iterator[None]:
    """Lay out lines for a console whose encoding may lack some signs."""
    before = _ENCODING.set(console.encoding)
    try:
        yield
    finally:
        _ENCODING.reset(before)


def console_text(text: str) -> str:
    """Return text on one line, in characters of the console's encoding."""
    return encode_signs(make_printable(text), _ENCODING.get())


def style_text(*parts: str | tuple[str, str]) -> Text:
    """Return text from parts, each plain or with a style; markup in them is not interpreted."""
    from rich.text import Text

    pairs = [part if isinstance(part, tuple) else (part, "") for part in parts]
    return Text().join(Text(console_text(text), style) for text, style in pairs)


def align_columns(
    rows: Iterable[Sequence[str | Text]], right: Collection[int] = (), give: int | None = None, width: int = 0
) -> list[Text]:
    """Return one line for each row, with aligned columns.

    :param right: indices of right-aligned columns.
    :param give: the index of the column to shorten if a line does not fit.
    :param width: the available width.
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
    """Return a table with a header and a rule; the first column is shortened if necessary.

    If that is not enough, columns are left out from the right, and a final line names them.

    :param heads: names; an empty name continues the previous column.
    """
    table: list[list[str | Text]] = [[style_text((head, "dim")) for head in heads], *([*row] for row in rows)]
    ends = [index for index, head in enumerate(heads) if head and index] + [len(heads)]
    for end in reversed(ends):
        head, *lines = align_columns([row[:end] for row in table], right, give=0, width=width)
        if max(line.cell_len for line in (head, *lines)) <= width:
            break
    gone = ", ".join(filter(None, heads[end:]))
    note = [style_text((f"not enough width for: {gone}", "dim"))] if gone else []
    return [head, rule(head, *lines), *lines, *note]


def _cut(text: Text, width: int) -> None:
    """Cut text that is too long and append an ellipsis, in characters of the console's encoding."""
    if text.cell_len > width:
        mark = console_text("…")[:width]
        text.truncate(width - len(mark))
        text.append(mark)


def rule(*lines: Text) -> Text:
    """Return a rule as long as the longest of `lines`, for the space below a header."""
    return style_text(("─" * max(line.cell_len for line in lines), "dim"))


def print_lines(console: Console, lines: Iterable[Text], indent: int = 0) -> None:
    """Print lines, each on one line of the console, cut at its edge."""
    for line in lines:
        whole = style_text(" " * indent) + line
        _cut(whole, console.width)
        console.print(whole, no_wrap=True, overflow="crop", highlight=False)


def print_wrapped(console: Console, text: Text, indent: int = 0, hang: int = 2) -> None:
    """Print a sentence on as many lines as it needs.

    :param indent: indent of the first line.
    :param hang: additional indent of the other lines.
    """
    lines = text.wrap(console, max(MIN_COLUMN_WIDTH, console.width - indent - hang))
    for index, line in enumerate(lines):
        line.rstrip()
        print_lines(console, [line], indent + (hang if index else 0))
