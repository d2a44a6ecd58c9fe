"""Formats numbers for people."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any


def format_short(value: Any, digits: int = 4) -> str:
    """Return a number, text or nested lists of numbers with few digits: `0.01256`, `1.3e-09`, `[[3.2, 3.5]]`."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(format_short(item, digits) for item in value)}]"
    if value is None or isinstance(value, bool):
        return {None: "–", True: "yes", False: "no"}[value]
    if not _is_finite(value):
        return str(value)
    if abs(value) < 1e6 and (value == round(value) or abs(value) >= 10**digits):
        return f"{value + 0:.0f}"  # + 0 turns -0.0 into 0.0
    return f"{value:.{digits}g}"


def format_distinct(value: float, other: float, digits: int = 3) -> str:
    """Format a number with enough digits to differ from another number.

    :param digits: minimum number of digits.
    """
    return next(
        (f"{value:.{each}g}" for each in range(digits, 17) if f"{value:.{each}g}" != f"{other:.{each}g}"), f"{value!r}"
    )


def format_column(values: Sequence[Any]) -> list[str]:
    """Return a column of values: all numbers in one notation, so that their decimal points line up.

    Whole numbers have no decimals. Other numbers have four, or an exponent if four decimals would hide small values or
    be swamped by large ones.
    """
    numbers = [value for value in values if _is_finite(value)]
    largest = max((abs(number) for number in numbers), default=0.0)
    if largest < 1e6 and all(number == round(number) for number in numbers):
        pattern = "{:.0f}"
    else:
        pattern = "{:.4f}" if 1e-2 <= largest < 1e6 else "{:.3e}"
    return [pattern.format(value + 0) if _is_finite(value) else format_short(value) for value in values]


def format_matrix(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return a list of lists of numbers with one line for each row and aligned columns."""
    texts = format_column([entry for row in rows for entry in row])
    width, count = max(map(len, texts), default=0), len(rows[0])
    lines = [
        ", ".join(text.rjust(width) for text in texts[start : start + count]) for start in range(0, len(texts), count)
    ]
    last = len(lines) - 1
    return [f"{' ' if index else '['}[{line}]{',' if index < last else ']'}" for index, line in enumerate(lines)]


def nested_shape(value: Any) -> tuple[int, ...]:
    """Return the lengths of nested lists, from the outermost inwards; () for a number."""
    if not isinstance(value, list):
        return ()
    return (len(value), *(nested_shape(value[0]) if value else ()))


def format_brief(value: Any, room: int) -> str:
    """Return a value in at most `room` characters, or a summary of nested lists that do not fit (`summarize`)."""
    if is_too_large(value, room):  # do not format ten million numbers only to find that they do not fit
        return summarize(value)
    text = format_short(value)
    return text if len(text) <= room or not isinstance(value, list) else summarize(value)


def is_too_large(value: Any, room: int) -> bool:
    """Return whether nested lists have more entries than `room` characters."""
    return math.prod(nested_shape(value)) > room


def summarize(value: Any) -> str:
    """Summarize nested lists by their shape and range: `16 × 2 numbers, -1.3 to 2.4`."""
    lengths, entries = nested_shape(value), value
    for _ in lengths[1:]:
        entries = chain.from_iterable(entries)
    size, numbers = " × ".join(map(str, lengths)), [entry for entry in entries if _is_finite(entry)]
    return (
        f"{size} numbers, {format_short(min(numbers))} to {format_short(max(numbers))}"
        if numbers
        else f"{size} numbers"
    )


def flatten(value: Any) -> Iterator[Any]:
    """Yield the entries of nested lists; for a number, the number itself."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from flatten(item)
    else:
        yield value


def format_duration(seconds: float) -> str:
    """Return a time with its unit: `180 ms`, `2.3 s`, `3 min 20 s`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def round_numbers(end: int) -> list[int]:
    """Return 1, 2, 5, 10, 20, 50 and so on, below `end`."""
    found = (first * 10**power for power in range(len(str(end))) for first in (1, 2, 5))
    return [number for number in found if number < end]
