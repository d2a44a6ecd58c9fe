"""Numbers of an explanation, with as many decimals as were asked for."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from playground.explanation import Explanation, Sentence, TensorSummary
from playground.figures.numbers import shape
from playground.report.explanation.language import Translate


def number(value: float, digits: int) -> str:
    """Return a number with `digits` decimals, or in powers of ten where these would hide or swamp it."""
    if not math.isfinite(value):
        return str(value)
    if value != 0 and not 10.0**-digits <= abs(value) < 1e6:
        return f"{value:.{digits}e}"
    return f"{value + 0:.{digits}f}"


def lines(shown: TensorSummary, digits: int, width: int, most: int = 16) -> list[str]:
    """Return a tensor as lines: all its rows where they fit, else its shape and range.

    :param most: rows that fit.
    """
    size = shape(shown.values)
    if shown.values is not None and len(size) <= 2:
        rows = shown.values if len(size) == 2 else [shown.values]
        texts = [_row(row, digits) for row in rows]
        if texts and max(map(len, texts)) <= width and len(texts) <= most:
            return texts
    return [digest(shown, digits)]


def digest(shown: TensorSummary, digits: int) -> str:
    """`(16, 2): mean 0.1, -1.3 to 2.4`; a single number is itself."""
    if math.prod(shown.shape) == 1:
        return number(shown.mean, digits)
    return (
        f"({' × '.join(map(str, shown.shape))})  mean {number(shown.mean, digits)}, "
        f"{number(shown.low, digits)} … {number(shown.high, digits)}"
    )


def span(shown: TensorSummary, digits: int) -> str:
    """`(16 × 2)  -1.3 … 2.4`: a digest without the mean; a single number is itself."""
    if math.prod(shown.shape) == 1:
        return number(shown.mean, digits)
    return f"({' × '.join(map(str, shown.shape))})  {number(shown.low, digits)} … {number(shown.high, digits)}"


def brief(shown: TensorSummary, digits: int, room: int = 28) -> str:
    """Return a tensor on one line."""
    if shown.values is not None:
        text = _row(shown.values, digits)
        if len(text) <= room:
            return text
    return digest(shown, digits)


def heading(explanation: Explanation, translate: Translate) -> list[str]:
    """Return the parts of the title: which scenario, step and sample are explained."""
    parts = [explanation.scenario, f"{translate('step')} {explanation.step}"]
    if explanation.samples > 1:
        parts.append(f"{explanation.samples} {translate('samples')}")
        parts += [] if explanation.sample is None else [f"{translate('sample')} {explanation.sample}"]
    return parts


def sentence(each: Sentence, translate: Translate) -> str:
    """Return a sentence in a language, with its numbers."""
    return translate(each.text).format(**each.parts)


def uses(explanation: Explanation) -> dict[str, int]:
    """Return from how many places each value collects its gradient: more than one part is summed."""
    return dict(Counter(share.to for operation in explanation.operations for share in operation.shares))


def deviation(explanation: Explanation, index: int) -> float | None:
    """Return how far central differences are from `.grad`, relative to the larger; None without a check.

    A gradient that is nothing beside those of other parameters, as that of a bias before a normalization, is rounding:
    it counts as a hundred-thousandth of the largest.
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
    return number(value, digits)


def _flatten(value: Any) -> list[float]:
    from playground.figures.numbers import flat

    return [] if value is None else list(flat(value))
