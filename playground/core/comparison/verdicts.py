"""Verdicts: better, worse, equivalent, both, or "cannot tell"."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from playground.core.comparison.estimates import EffectEstimate

SUITE_MARGIN = math.log2(1.1)
"""δ on the suite: optimizers are equivalent if they differ by less than a factor of 1.1."""
LIKE_THESE_MARGIN = math.log2(1.25)
"""δ for problems like these: a factor of 1.25."""

Word = Literal["better", "worse", "equivalent", "cannot tell"]


@dataclass(frozen=True, kw_only=True)
class EffectVerdict:
    """What an interval says about the first of two optimizers.

    :param estimate: the difference and its standard error.
    :param alpha: the error probability that the look spends, shared by all comparisons of the look.
    :param margin: δ, in log2 evaluations.
    :param interval: the two-sided 1 - α interval, in log2 evaluations, corrected for the number of comparisons.
    :param equivalence_interval: the 1 - 2α interval that is compared with ±δ (two one-sided tests).

    D. J. Schuirmann, "A comparison of the two one-sided tests procedure and the power approach for assessing the
    equivalence of average bioavailability", J. Pharmacokin. Biopharm. 15 (1987).
    """

    estimate: EffectEstimate
    alpha: float
    margin: float
    interval: tuple[float, float]
    equivalence_interval: tuple[float, float]

    @property
    def better(self) -> bool:
        """The interval lies below 0: the first optimizer needs fewer evaluations."""
        return self.interval[1] < 0

    @property
    def worse(self) -> bool:
        """The interval lies above 0."""
        return self.interval[0] > 0

    @property
    def exceeds_margin(self) -> bool:
        """The interval lies below -δ or above δ: better or worse *by more than δ*."""
        return self.interval[1] < -self.margin or self.interval[0] > self.margin

    @property
    def equivalent(self) -> bool:
        """The 1 - 2α interval lies inside ±δ; together with `better` or `worse`: different, *but by less than δ*."""
        return -self.margin < self.equivalence_interval[0] and self.equivalence_interval[1] < self.margin

    @property
    def word(self) -> Word:
        """`"better"` or `"worse"` if the interval excludes 0, else `"equivalent"` or `"cannot tell"`."""
        if self.better:
            return "better"
        if self.worse:
            return "worse"
        return "equivalent" if self.equivalent else "cannot tell"

    @property
    def decided(self) -> bool:
        """Whether the word is another than `"cannot tell"`."""
        return self.word != "cannot tell"

    @property
    def factor_interval(self) -> tuple[float, float]:
        """The interval as ratios of evaluations."""
        return 2.0 ** self.interval[0], 2.0 ** self.interval[1]

    def __str__(self) -> str:
        """Return the verdict as words, such as `better by more than 1.25×`."""
        factor = f"{2**self.margin:.3g}×"
        if (self.better or self.worse) and self.equivalent:
            return f"{self.word}, but by less than {factor}"
        return f"{self.word} by more than {factor}" if self.exceeds_margin else self.word


def judge_estimate(
    estimate: EffectEstimate, *, margin: float, alpha: float, critical: float, equivalence_critical: float
) -> EffectVerdict:
    """Return the verdict on an estimate.

    :param margin: δ, in log2 evaluations.
    :param alpha: what the look spends.
    :param critical: critical value of |t| at level α over all comparisons of the look (`multiple`).
    :param equivalence_critical: the same at level 2α.
    """
    return EffectVerdict(
        estimate=estimate,
        alpha=alpha,
        margin=margin,
        interval=estimate.interval_with(critical),
        equivalence_interval=estimate.interval_with(equivalence_critical),
    )
