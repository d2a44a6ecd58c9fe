"""Formats the numbers of an explanation, with the requested number of decimals."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from playground.explanation import Explanation, Sentence, TensorSummary
from playground.figures.numbers import nested_shape
from playground.report.explanation.language import Translate


def format_number(value: float, digits: int) -> str:
    """Return a number with `digits` decimals, or in powers of ten if it is too small or too large for these."""
    if not math.isfinite(value):
        return str(value)
    if value != 0 and not 10.0**-digits <= abs(value) < 1e6:
        return f"{value:.{digits}e}"
    return f"{value + 0:.{digits}f}"


def tensor_lines(shown: TensorSummary, digits: int, width: int, most: int = 16) -> list[str]:
    """Return a tensor as lines: all its rows if they fit, otherwise its shape and range.

    :param most: maximum number of rows.
    """
    size = nested_shape(shown.values)
    if shown.values is not None and len(size) <= 2:
        rows = shown.values if len(size) == 2 else [shown.values]
        texts = [_row(row, digits) for row in rows]
        if texts and max(map(len, texts)) <= width and len(texts) <= most:
            return texts
    return [describe_tensor(shown, digits)]


def describe_tensor(shown: TensorSummary, digits: int) -> str:
    """Return `(16, 2): mean 0.1, -1.3 to 2.4`; a single number is returned as it is."""
    if math.prod(shown.shape) == 1:
        return format_number(shown.mean, digits)
    return (
        f"({' × '.join(map(str, shown.shape))})  mean {format_number(shown.mean, digits)}, "
        f"{format_number(shown.low, digits)} … {format_number(shown.high, digits)}"
    )


def span(shown: TensorSummary, digits: int) -> str:
    """Return `(16 × 2)  -1.3 … 2.4`: shape and range without the mean; a single number is returned as it is."""
    if math.prod(shown.shape) == 1:
        return format_number(shown.mean, digits)
    low, high = (format_number(value, digits) for value in (shown.low, shown.high))
    return f"({' × '.join(map(str, shown.shape))})  {low} … {high}"


def format_tensor(shown: TensorSummary, digits: int, room: int = 28) -> str:
    """Return a tensor on one line."""
    if shown.values is not None:
        text = _row(shown.values, digits)
        if len(text) <= room:
            return text
    return describe_tensor(shown, digits)


def heading_parts(explanation: Explanation, translate: Translate) -> list[str]:
    """Return the parts of the title: the scenario, the step and the sample."""
    parts = [explanation.scenario, f"{translate('step')} {explanation.step}"]
    if explanation.samples > 1:
        parts.append(f"{explanation.samples} {translate('samples')}")
        parts += [] if explanation.sample is None else [f"{translate('sample')} {explanation.sample}"]
    return parts


def format_sentence(each: Sentence, translate: Translate) -> str:
    """Return a sentence in the chosen language, with its numbers."""
    return translate(each.text).format(**each.parts)


def count_uses(explanation: Explanation) -> dict[str, int]:
    """Return how many parts each value's gradient has; several parts are summed."""
    return dict(Counter(share.to for operation in explanation.operations for share in operation.shares))


def relative_deviation(explanation: Explanation, index: int) -> float | None:
    """Return the relative difference of central differences and `.grad`; None without a check.

    A gradient that is negligible beside those of other parameters, as that of a bias before a normalization, is only
    rounding: it counts as a hundred-thousandth of the largest.
    """
    moved = explanation.parameters[index]
    if moved.central is None or moved.gradient is None:
        return None
    ours, theirs = _flatten(moved.gradient.values), _flatten(moved.central.values)
    if not ours or not theirs:
        return None
    largest = max(
        max(abs(each.gradient.low), abs(each.gradient.high)) for each in explanation.parameters if each.gradient
    )
    scale = max(1e-12, 1e-5 * largest, *map(abs, ours), *map(abs, theirs))
    return max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) / scale


def _row(value: Any, digits: int) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_row(item, digits) for item in value)}]"
    return format_number(value, digits)


def _flatten(value: Any) -> list[float]:
    from playground.figures.numbers import flatten

    return [] if value is None else list(flatten(value))
