"""Which setting of a sweep did best, and what a reader must know of that; for the terminal and for the page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from playground.figures.numbers import short
from playground.result import Summary, Sweep

MAX_NAMED_TIES = 6
"""Settings that share the first place and are named; of more it is said how many there are."""

MIN_AXIS_VALUES = 3
"""Values that an axis has at least, for a best one at its end to say that the range may be too narrow."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The settings that did best.

    :param word: `best`; `tie` where several share the first place; `none` where no run passed or has a finite loss.
    :param settings: their values in words, at most `NAMED_TIES`; where none is best, that with the lowest loss.
    :param more: how many share the place besides.
    :param result: what they reached: `100.0% passed, median loss 0.001`.
    :param remarks: sentences about the ends of ranges.
    """

    word: str
    settings: tuple[str, ...]
    more: int
    result: str
    remarks: tuple[str, ...] = ()


def rank(sweep: Sweep) -> Ranking | None:
    """Return which settings did best; None where there is nothing to compare."""
    if not sweep.best or len(sweep.summaries) < 2:
        return None
    first = sweep.best[0]
    loss = f"{'median loss' if sweep.seeds > 1 else 'loss'} {short(first.loss.median)}"
    settings = tuple(describe_setting(each.values) for each in sweep.best[:MAX_NAMED_TIES])
    more = len(sweep.best) - len(settings)
    remarks = tuple(_remarks_on_ends(sweep))
    finite = math.isfinite(first.loss.median)
    if first.share == 0 or not finite:
        what = "no run passed" if first.share == 0 else "no finite loss"
        if not finite:
            return Ranking(word="none", settings=(), more=0, result=what)
        return Ranking(word="none", settings=settings, more=more, result=f"{what}; the lowest {loss}", remarks=remarks)
    share = "" if first.share is None else f"{first.share:.1%} passed, "
    word = "best" if len(sweep.best) == 1 else "tie"
    return Ranking(word=word, settings=settings, more=more, result=f"{share}{loss}", remarks=remarks)


def describe_setting(values: Mapping[str, Any]) -> str:
    """Return a point's values in words, each axis by its short name: `optimizer = adam, lr = 0.1`."""
    names = short_names(list(values))
    return ", ".join(f"{names[axis]} = {short(value)}" for axis, value in values.items() if value is not None)


def short_names(axes: Sequence[str]) -> dict[str, str]:
    """Return what each axis is called: its last part, unless two axes end alike."""
    ends = [axis.rpartition(".")[2] for axis in axes]
    return {axis: end if ends.count(end) == 1 else axis for axis, end in zip(axes, ends, strict=True)}


def _remarks_on_ends(sweep: Sweep) -> Iterator[str]:
    """Yield a sentence for each range at whose end the best settings lie, all of them."""
    names = short_names(sweep.axes)
    for axis in sweep.axes:
        values = sorted({float(value) for value in _values(sweep.summaries, axis) if _is_number(value)})
        found = {float(value) for value in _values(sweep.best, axis) if _is_number(value)}
        if len(values) < MIN_AXIS_VALUES or len(found) != 1 or len(_values(sweep.best, axis)) < len(sweep.best):
            continue
        (value,) = found
        if value in (values[0], values[-1]):
            end, beyond = ("lower", "less") if value == values[0] else ("upper", "more")
            yield f"{names[axis]} = {short(value)} is the {end} end of its range: {beyond} may do better"


def _values(summaries: Sequence[Summary], axis: str) -> list[Any]:
    return [each.values[axis] for each in summaries if each.values.get(axis) is not None]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
