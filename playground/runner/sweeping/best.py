"""Chooses the best settings of a sweep; among those with equal losses, the most robust one."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from playground.result import BestChoice, Criterion, Summary
from playground.runner.single.expectations import BAD_STATUSES

EPS = {"float32": 2.0**-23, "float64": 2.0**-52}
"""The distance from 1 to the next larger number of each dtype."""


def loss_resolution(first: float, dtypes: Collection[str]) -> float:
    """Return the difference below which two losses are equal: the rounding error of a loss as large as the first one.

    :param first: the typical loss before step 0.
    :param dtypes: of the runs; the coarsest counts.
    """
    scale = abs(first) if math.isfinite(first) else 0.0
    return max(EPS[dtype] for dtype in dtypes) * scale


def choose_best(summaries: Sequence[Summary], resolution: float) -> tuple[tuple[Summary, ...], BestChoice]:
    """Return the settings with the highest share of passed runs, and of these the one with the lowest median loss.

    Several losses may be equal within the resolution. Of these settings, it is the one of which most runs ended well;
    then the one with the largest margin, see `_margin`; then the one with the fewest updates.

    :param resolution: losses that differ by no more than this from the lowest one are equal to it.
    :returns: all that share the first place, more than one is a tie, and how they were chosen. Nothing if nothing ran.
    """
    ran = [each for each in summaries if each.runs]
    passed = _keep_least(ran, lambda each: -(each.share or 0.0))
    lowest = min((_median(each) for each in passed), default=math.inf)
    equal = [each for each in passed if _median(each) <= lowest + resolution]
    sound = _keep_least(equal, lambda each: sum(each.statuses.get(status, 0) for status in BAD_STATUSES) / each.runs)
    margins = _find_margins(summaries, {each.index for each in sound})
    central = _keep_least(sound, lambda each: tuple(-margin for margin in margins[each.index]))
    quick = _keep_least(central, _mean_steps)
    stages = {
        Criterion.ENDED_WELL: (equal, sound),
        Criterion.MARGIN: (sound, central),
        Criterion.STEPS: (central, quick),
    }
    decided = [criterion for criterion, (before, after) in stages.items() if len(after) < len(before)]
    return tuple(quick), BestChoice(len(equal), resolution, decided[-1] if decided else None)


def _keep_least(settings: Sequence[Summary], key: Callable[[Summary], Any]) -> list[Summary]:
    """Return the settings that share the least value of a key."""
    values = [key(each) for each in settings]
    return [each for each, value in zip(settings, values, strict=True) if value == min(values)]


def _median(summary: Summary) -> float:
    return math.inf if math.isnan(summary.loss.median) else summary.loss.median


def _mean_steps(summary: Summary) -> float:
    """Return the mean over the runs of the median number of updates of their status."""
    return sum(summary.steps.get(status, 0.0) * count for status, count in summary.statuses.items()) / summary.runs


def _find_margins(summaries: Sequence[Summary], good: Collection[int]) -> dict[int, tuple[float, ...]]:
    """Return for each good setting how many steps of the grid it is away from the nearest one that is not good.

    Along each axis of numbers, with the other values fixed. Beyond the end of an axis nothing is known, which counts as
    not good. So a setting with a large margin lies in the middle of good ones.

    :param good: indices of the good settings.
    :returns: by index the margins along the axes, least first.
    """
    axes = {axis for each in summaries for axis in each.values}
    found: dict[int, list[float]] = {index: [] for index in good}
    for axis in axes:
        lines: dict[str, list[tuple[float, int]]] = {}
        for each in summaries:
            value = each.values.get(axis)
            if isinstance(value, int | float) and not isinstance(value, bool):
                others = repr(sorted((key, repr(other)) for key, other in each.values.items() if key != axis))
                lines.setdefault(others, []).append((value, each.index))
        for line in lines.values():
            for index, margin in _margins_on_line([index for _, index in sorted(line)], good).items():
                found[index].append(margin)
    return {index: tuple(sorted(margins)) for index, margins in found.items()}


def _margins_on_line(line: Sequence[int], good: Collection[int]) -> Mapping[int, int]:
    """Return the distance of each good setting on a line from the nearest place without one."""
    margins: dict[int, int] = {}
    for order in (line, line[::-1]):
        run = 0
        for index in order:
            run = run + 1 if index in good else 0
            if run:
                margins[index] = min(margins.get(index, run), run)
    return margins
