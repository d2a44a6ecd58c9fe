"""Ranks the settings of a sweep, with remarks on the result; for the terminal and the page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from playground.figures.numbers import format_short
from playground.result import Criterion, Summary, Sweep

MAX_NAMED_TIES = 6
"""Maximum number of tied settings that are named; the others are counted."""

MIN_AXIS_VALUES = 3
"""Minimum number of values of an axis for a remark that its range may be too narrow."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The best settings.

    :param word: `best`; `tie` if several share the first place; `none` if no run passed or has a finite loss.
    :param settings: their values in words, at most `MAX_NAMED_TIES`; without a best one, the one with the lowest loss.
    :param more: the number of further settings that share the place.
    :param result: their result: `100.0% passed, median loss 0.001`.
    :param choice: how they were chosen, and that this was on the seeds that gave the result.
    :param remarks: sentences about the ends of ranges.
    """

    word: str
    settings: tuple[str, ...]
    more: int
    result: str
    choice: str = ""
    remarks: tuple[str, ...] = ()


def rank_settings(sweep: Sweep) -> Ranking | None:
    """Return the best settings; None if there is nothing to compare."""
    if not sweep.best or len(sweep.summaries) < 2:
        return None
    first = sweep.best[0]
    loss = f"{'median loss' if sweep.seeds > 1 else 'loss'} {format_short(first.loss.median)}"
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
    return Ranking(
        word=word,
        settings=settings,
        more=more,
        result=f"{share}{loss}",
        choice=_describe_choice(sweep),
        remarks=remarks,
    )


CRITERIA = {
    None: "",
    Criterion.ENDED_WELL: ", most runs that end well",
    Criterion.MARGIN: ", farthest from worse ones and the range's ends",
    Criterion.STEPS: ", fewest steps",
}


def _describe_choice(sweep: Sweep) -> str:
    """Return how the best settings were chosen."""
    choice = sweep.choice
    note = f"chosen and scored on the same {'seeds' if sweep.seeds > 1 else 'seed'}"
    if choice.equal == 1:
        return note
    equal = f"of {choice.equal:,} settings whose losses are equal within {format_short(choice.resolution, 2)}"
    return f"{equal}{CRITERIA[choice.criterion]}; {note}"


def describe_setting(values: Mapping[str, Any]) -> str:
    """Return a point's values in words, with short names of the axes: `optimizer = adam, lr = 0.1`."""
    names = short_names(list(values))
    return ", ".join(f"{names[axis]} = {format_short(value)}" for axis, value in values.items() if value is not None)


def short_names(axes: Sequence[str]) -> dict[str, str]:
    """Return a short name of each axis: its last part, unless two axes have the same last part."""
    ends = [axis.rpartition(".")[2] for axis in axes]
    return {axis: end if ends.count(end) == 1 else axis for axis, end in zip(axes, ends, strict=True)}


def _remarks_on_ends(sweep: Sweep) -> Iterator[str]:
    """Yield a remark for each range if all best settings are at the same end of it."""
    names = short_names(sweep.axes)
    for axis in sweep.axes:
        values = sorted({float(value) for value in _values(sweep.summaries, axis) if _is_number(value)})
        found = {float(value) for value in _values(sweep.best, axis) if _is_number(value)}
        if len(values) < MIN_AXIS_VALUES or len(found) != 1 or len(_values(sweep.best, axis)) < len(sweep.best):
            continue
        (value,) = found
        if value in (values[0], values[-1]):
            end, beyond = ("lower", "less") if value == values[0] else ("upper", "more")
            yield f"{names[axis]} = {format_short(value)} is the {end} end of its range: {beyond} may do better"


def _values(summaries: Sequence[Summary], axis: str) -> list[Any]:
    return [each.values[axis] for each in summaries if each.values.get(axis) is not None]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
