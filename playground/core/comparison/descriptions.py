"""Descriptions of scores, from which no verdict follows: counts of problems, robust means, what problems tell apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from playground.core.comparison.estimates import EffectEstimate
from playground.core.comparison.multiple import bonferroni_critical
from playground.core.comparison.scipy_stats import import_stats
from playground.core.comparison.scores import ScoreTable
from playground.core.comparison.scoring import Array
from playground.core.comparison.verdicts import SUITE_MARGIN, EffectVerdict, judge_estimate

MIN_RESOLUTION = 0.3
"""A problem whose tuned optimizers spread by less than this share of the seeds' noise tells nothing apart."""


@dataclass(frozen=True, kw_only=True)
class ProblemCounts:
    """On how many problems the first optimizer is better, worse, equal, or the studies cannot tell."""

    better: int
    worse: int
    equal: int
    cannot_tell: int


def judge_problems(differences: Array, *, alpha: float = 0.05, margin: float = SUITE_MARGIN) -> list[EffectVerdict]:
    """Return the verdict on each problem alone: Student's t over its K studies, without correction for their number.

    :param differences: d[p, k], shape (problems, studies).
    :param margin: δ, in log2 evaluations.
    """
    studies = differences.shape[-1]
    critical, equivalence_critical = (bonferroni_critical(studies - 1, level) for level in (alpha, 2 * alpha))
    estimates = (
        EffectEstimate(
            center=float(row.mean()), se=float(row.std(ddof=1) / np.sqrt(studies)), df=studies - 1, count=studies
        )
        for row in differences
    )
    return [
        judge_estimate(each, margin=margin, alpha=alpha, critical=critical, equivalence_critical=equivalence_critical)
        for each in estimates
    ]


def count_problems(verdicts: list[EffectVerdict]) -> ProblemCounts:
    """Return how often each verdict occurs."""
    words = [verdict.word for verdict in verdicts]
    return ProblemCounts(
        better=words.count("better"),
        worse=words.count("worse"),
        equal=words.count("equivalent"),
        cannot_tell=words.count("cannot tell"),
    )


def measure_resolutions(table: ScoreTable) -> Array:
    """Return how well each problem tells the tuned optimizers apart, shape (problems,).

    The standard deviation of the optimizers' mean scores, over that of single runs of one optimizer (the root of the
    mean variance over studies and seeds). Below `MIN_RESOLUTION` a problem tells nothing apart. If seeds make no
    difference, the result is infinite, or 0 if all optimizers are equal.
    """
    runs = table.values.reshape(*table.values.shape[:2], -1)
    spread = runs.mean(-1).std(0, ddof=1) if len(runs) > 1 else np.zeros(runs.shape[1])
    noise = np.sqrt(runs.var(-1, ddof=1).mean(0)) if runs.shape[-1] > 1 else np.zeros(runs.shape[1])
    without_noise = np.where(spread > 0, np.inf, 0.0)
    return np.divide(spread, noise, out=without_noise, where=noise > 0)


def average_middle_half(differences: Array) -> float:
    """Return the interquartile mean over problems: the mean without the lowest and the highest quarter."""
    return float(import_stats().trim_mean(differences.mean(-1), 0.25))


def measure_improvement(table: ScoreTable, first: str, second: str) -> float:
    """Return the probability that a run of `first` has a lower score than one of `second`; ties count half.

    The mean over problems of the share of pairs of runs, which is the Mann-Whitney statistic over its maximum.
    """
    one, other = (table.scores_of(name).reshape(len(table.problems), -1) for name in (first, second))
    signs = np.sign(other[:, None, :] - one[:, :, None])
    return float((signs.mean() + 1) / 2)
