"""Estimates of the difference between two optimizers: on this suite, on problems like these, on one new problem.

All formulas take differences d[p, k] of problem p in study k (`ScoreTable.compute_differences`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from playground.core.comparison.scipy_stats import import_stats
from playground.core.comparison.scoring import Array
from playground.errors import ComponentError

MIN_FAMILIES = 20
"""Families that a statement about problems like these needs."""
MIN_STUDIES = 2
"""Tuning studies that a statement needs: one study does not show how much tuning varies."""

MIN_INDEPENDENCE = 0.001
"""A smaller `measure_independence` is no chance."""


class TooFewFamiliesError(ComponentError):
    """Problems of too few families for a statement about problems like these."""


class Moments(NamedTuple):
    """Mean, standard error and degrees of freedom; arrays of one shape."""

    center: Array
    se: Array
    df: Array


@dataclass(frozen=True, kw_only=True)
class EffectEstimate:
    """A difference in log2 evaluations, with its uncertainty.

    :param center: θ; negative if the first optimizer needs fewer evaluations.
    :param se: standard error of θ.
    :param df: degrees of freedom of Student's t.
    :param count: what the estimate is averaged over: studies on the suite, families for problems like these. `count *
        se**2` is the variance of one of them.
    """

    center: float
    se: float
    df: float
    count: int

    @property
    def factor(self) -> float:
        """`2^θ`: the evaluations of the first optimizer over those of the second."""
        return float(2.0**self.center)

    @property
    def spread(self) -> float:
        """The standard deviation of one study or family, `se · √count`."""
        return float(self.se * np.sqrt(self.count))

    def interval(self, alpha: float) -> tuple[float, float]:
        """Return `θ ± t(1 - α/2, df) · se`, in log2 evaluations."""
        return self.interval_with(float(import_stats().t.isf(alpha / 2, self.df)))

    def interval_with(self, critical: float) -> tuple[float, float]:
        """Return `θ ± critical · se`, for a critical value that is corrected for several comparisons."""
        return self.center - critical * self.se, self.center + critical * self.se


def compute_suite_moments(differences: Array) -> Moments:
    """Return the moments of the mean over fixed problems; tuning and seeds are random.

    With w = 1/P, the variances s_p² of d[p, k] over the K studies and v_p = w² s_p² / K::

        θ = Σ w d_p        se² = Σ v_p        df = (Σ v_p)² / Σ (v_p² / (K - 1))

    The formula takes problems as independent, so the seeds of two problems must not draw the same random numbers.

    :param differences: shape (..., problems, studies), at least two studies.

    F. E. Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics 2 (1946).
    """
    problems, studies = differences.shape[-2:]
    if studies < MIN_STUDIES:
        raise ComponentError(f"a verdict needs at least {MIN_STUDIES} tuning studies, not {studies}")
    variance, df = combine_variances(differences.var(-1, ddof=1) / (studies * problems**2), studies)
    return Moments(differences.mean((-2, -1)), np.sqrt(variance), df)


def combine_variances(parts: Array, studies: int) -> tuple[Array, Array]:
    """Return `Σ v_p` and Satterthwaite's degrees of freedom, `(Σ v_p)² / Σ (v_p² / (K - 1))`; K - 1 if all v are 0.

    :param parts: v_p, shape (..., problems).
    """
    variance, squares = parts.sum(-1), (parts**2).sum(-1)
    shares = np.divide(squares, variance**2, out=np.ones_like(variance), where=squares > 0)
    return variance, (studies - 1) / shares


def measure_independence(differences: Array) -> float:
    """Return the probability of studies that vary so much together, if problems are independent.

    The variance over studies of the mean over problems, over its value for independent problems (`se²`), against
    Fisher's F distribution::

        p = P(F(K - 1, df) > var_k(Σ w d_pk) / (K se²))

    If it is tiny, problems share random numbers, and `se` on the suite is too small: with a tenth of the variance in
    common, 60 problems give 45 % wrong decisions in place of 5 %.

    :param differences: shape (problems, studies).
    """
    studies = differences.shape[-1]
    _, se, df = map(float, compute_suite_moments(differences))
    if se == 0:
        return 1.0
    ratio = differences.mean(0).var(ddof=1) / (studies * se**2)
    return float(import_stats().f.sf(ratio, studies - 1, df))


def average_families(differences: Array, families: Sequence[str]) -> Array:
    """Return the mean of the problems of each family, averaged over studies.

    :param differences: shape (..., problems, studies).
    :param families: the family of each problem.
    :returns: shape (..., families), in the order in which families first appear.
    """
    problems, names = differences.mean(-1), np.asarray(families)
    means = [problems[..., names == family].mean(-1) for family in dict.fromkeys(families)]
    return np.stack(means, -1)


def compute_family_moments(means: Array) -> Moments:
    """Return the moments of the mean over F random families: `θ = mean`, `se = s / √F`, `df = F - 1`.

    :param means: the mean of each family, shape (..., families), at least two.
    """
    count = means.shape[-1]
    center = means.mean(-1)
    return Moments(center, means.std(-1, ddof=1) / np.sqrt(count), np.full_like(center, count - 1.0))


def estimate_on_suite(differences: Array) -> EffectEstimate:
    """Return the estimate on this suite (`compute_suite_moments`).

    :param differences: shape (problems, studies).
    :raises ComponentError: if there are fewer than `MIN_STUDIES` studies.
    """
    center, se, df = map(float, compute_suite_moments(differences))
    return EffectEstimate(center=center, se=se, df=df, count=differences.shape[-1])


def estimate_on_problems_like_these(differences: Array, families: Sequence[str]) -> EffectEstimate:
    """Return the estimate for problems of which the suite's families are a sample (`compute_family_moments`).

    :param differences: shape (problems, studies).
    :param families: the family of each problem.
    :raises TooFewFamiliesError: with fewer than `MIN_FAMILIES` families.
    """
    means = average_families(differences, families)
    if len(means) < MIN_FAMILIES:
        message = f"no statement on problems like these: {len(means)} families, and at least {MIN_FAMILIES} are needed"
        raise TooFewFamiliesError(message)
    center, se, df = map(float, compute_family_moments(means))
    return EffectEstimate(center=center, se=se, df=df, count=len(means))


def estimate_new_problem(like_these: EffectEstimate) -> EffectEstimate:
    """Return the estimate whose interval predicts one new family: `θ ± t(df) · s · √(1 + 1/F)`."""
    se = like_these.spread * np.sqrt(1 + 1 / like_these.count)
    return EffectEstimate(center=like_these.center, se=float(se), df=like_these.df, count=1)
