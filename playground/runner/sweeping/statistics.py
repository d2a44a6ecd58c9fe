"""Summarizes the runs of each point: how many passed, and the quartiles of their losses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from playground.result import Quartiles, Status, Summary, Verdict

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

CONFIDENCE_LEVEL = 0.95

MIN_PARTITIONED_RUNS = 64
"""Groups of at least so many runs are partitioned one by one, which takes a tenth of the time of sorting."""


def wilson_interval(passed: int, runs: int, confidence: float = CONFIDENCE_LEVEL) -> tuple[float, float]:
    r"""Return the interval in which the probability of passing lies, by Wilson's score.

    .. math:: \frac{p + z^2/2n \pm z \sqrt{p (1 - p) / n + z^2/4n^2}}{1 + z^2/n}

    Unlike the textbook's interval it holds for few runs, and for none or all that passed. Without runs it is [0, 1].

    :param passed: how many of the runs passed.
    :param confidence: probability that such an interval holds the true one.
    :returns: low and high, in [0, 1].
    :raises ValueError: more passed than ran, or the confidence is not between 0 and 1.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    if not 0 <= passed <= runs or not 0 < confidence < 1:
        raise ValueError(f"no interval for {passed} of {runs} runs at confidence {confidence}")
    if runs == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, correction = passed / runs, z * z / runs
    centre = (share + correction / 2) / (1 + correction)
    half = z * math.sqrt(share * (1 - share) / runs + correction / runs / 4) / (1 + correction)
    low = centre - half if passed else 0.0  # rounding may leave 1e-17
    high = centre + half if passed < runs else 1.0
    return low, high


def quartiles(values: ArrayLike) -> Quartiles:
    """Return the quartiles, interpolated linearly between neighbours.

    Every value counts: what is not finite (or None) counts as +inf, because a run that diverged is not one that is
    missing. Where a quartile falls between a finite value and such a one, it is +inf too.
    """
    import numpy as np

    losses = np.asarray(values, dtype=np.float64).ravel()
    low, median, high = quantiles(losses, np.zeros(losses.size, dtype=np.intp), 1, (0.25, 0.5, 0.75))[0].tolist()
    return Quartiles(low, median, high)


def summarize(
    points: Sequence[Mapping[str, Any]],
    point_of_run: ArrayLike,
    status: ArrayLike,
    verdict: ArrayLike,
    last: ArrayLike,
    steps: ArrayLike,
) -> list[Summary]:
    """Summarize the runs of each point; a million runs take less than a second.

    :param points: the values of each point, by axis.
    :param point_of_run: for each run the index of its point; the other arrays are in the same order.
    :param status: how each run ended, as an index in `Status`; an interrupted one is no finished run and does not
        belong here.
    :param verdict: an index in `Verdict`; if any is `none`, the scenario expects nothing, and there is no share of
        passed runs.
    :param last: last losses; NaN where there is none.
    :param steps: updates made.
    :returns: one summary per point, in the order of the points, also for a point without runs.
    :raises ValueError: arrays differ in length.
    """
    import numpy as np

    owner = np.asarray(point_of_run, dtype=np.intp)
    count, kinds = len(points), tuple(Status)
    ended, judged = np.asarray(status, dtype=np.intp), np.asarray(verdict)
    if not owner.shape == ended.shape == judged.shape:
        raise ValueError(f"{ended.size} statuses and {judged.size} verdicts for {owner.size} runs")
    runs = np.bincount(owner, minlength=count).tolist()
    passed = np.bincount(owner[judged == list(Verdict).index(Verdict.PASSED)], minlength=count).tolist()
    expected = not (judged == list(Verdict).index(Verdict.NONE)).any()
    losses = quantiles(np.asarray(last, dtype=np.float64), owner, count, (0.25, 0.5, 0.75)).tolist()
    group, groups = owner * len(kinds) + ended, count * len(kinds)
    numbers = np.bincount(group, minlength=groups).reshape(count, len(kinds)).tolist()
    medians = quantiles(np.asarray(steps, dtype=np.float64), group, groups, (0.5,)).reshape(count, len(kinds)).tolist()
    return [
        Summary(
            index=index,
            values=values,
            runs=runs[index],
            passed=passed[index] if expected else None,
            interval=wilson_interval(passed[index], runs[index]) if expected and runs[index] else None,
            loss=Quartiles(*losses[index]),
            statuses={kind: number for kind, number in zip(kinds, numbers[index], strict=True) if number},
            steps={
                kind: half for kind, half, number in zip(kinds, medians[index], numbers[index], strict=True) if number
            },
        )
        for index, values in enumerate(points)
    ]


def quantiles(values: NDArray[Any], group: NDArray[Any], groups: int, shares: Sequence[float]) -> NDArray[Any]:
    """Return quantiles of the values in each group, (groups, shares); NaN for a group without values."""
    import numpy as np

    if values.shape != group.shape:
        raise ValueError(f"{values.size} values for {group.size} runs")
    finite = np.where(np.isfinite(values), values, np.inf)
    sizes = np.bincount(group, minlength=groups)
    starts = np.cumsum(sizes) - sizes
    occupied = sizes > 0
    ordered = finite if (group[1:] >= group[:-1]).all() else finite[np.argsort(group, kind="stable")]
    ordered = _order_groups(ordered, starts[occupied], sizes[occupied], shares)
    result = np.full((groups, len(shares)), np.nan)
    for column, share in enumerate(shares):
        position = (sizes[occupied] - 1) * share
        below = starts[occupied] + np.floor(position).astype(np.intp)
        above = starts[occupied] + np.ceil(position).astype(np.intp)
        result[occupied, column] = _interpolate(ordered[below], ordered[above], position % 1)
    return result


def _order_groups(
    values: NDArray[Any], starts: NDArray[Any], sizes: NDArray[Any], shares: Sequence[float]
) -> NDArray[Any]:
    """Return values with those in their sorted places, within each group, that the quantiles need.

    :param values: group after group.
    """
    import numpy as np

    if len(values) < MIN_PARTITIONED_RUNS * len(sizes):  # many small groups: sort all of them at once
        return values[np.lexsort((values, np.repeat(np.arange(len(sizes)), sizes)))]
    ordered = values.copy()
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        places = {near((size - 1) * share) for share in shares for near in (math.floor, math.ceil)}
        ordered[start : start + size].partition(sorted(places))
    return ordered


def _interpolate(low: NDArray[Any], high: NDArray[Any], share: NDArray[Any]) -> NDArray[Any]:
    """Interpolate; +inf wins over a finite neighbour, and without a share of it does not come in as 0 times inf."""
    import numpy as np

    alone = (low == high) | (share == 0)
    return np.where(alone, low, low * (1 - share) + np.where(alone, 0, high) * share)
