"""Judges pairs of optimizers: both estimands, corrected for the number of pairs and for the look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from playground.core.comparison.estimates import (
    EffectEstimate,
    TooFewFamiliesError,
    average_families,
    estimate_new_problem,
    estimate_on_problems_like_these,
    estimate_on_suite,
    measure_independence,
)
from playground.core.comparison.looks import spend_alpha
from playground.core.comparison.more import (
    MoreAdvice,
    advise_more_families,
    advise_more_studies,
    compute_seed_variance,
)
from playground.core.comparison.multiple import FLIPS, bonferroni_critical, max_t_critical
from playground.core.comparison.scores import ScoreTable
from playground.core.comparison.scoring import Array
from playground.core.comparison.verdicts import LIKE_THESE_MARGIN, SUITE_MARGIN, EffectVerdict, judge_estimate


@dataclass(frozen=True, kw_only=True)
class PairComparison:
    """The verdicts on one pair.

    :param first: the optimizer that the verdicts are about.
    :param second: what it is compared with.
    :param suite: on this suite.
    :param like_these: on problems like these; None if it is refused.
    :param refusal: why it is refused, one line; empty otherwise.
    :param new_problem: the difference on one new problem; None if `like_these` is.
    :param independence: `measure_independence`; below `MIN_INDEPENDENCE`, problems share random numbers, and the
        interval on the suite is too narrow.
    :param more_studies: what decides on the suite; None if it is decided.
    :param more_families: what decides on problems like these; None if it is decided or refused.
    """

    first: str
    second: str
    suite: EffectVerdict
    like_these: EffectVerdict | None
    refusal: str
    new_problem: EffectEstimate | None
    independence: float
    more_studies: MoreAdvice | None
    more_families: MoreAdvice | None


def compare_pairs(
    table: ScoreTable, pairs: Sequence[tuple[str, str]], *, look: int = 1, flips: int = FLIPS, seed: int = 0
) -> tuple[PairComparison, ...]:
    """Return the verdicts on all pairs of one look.

    The estimates of a pair depend on its two optimizers alone. The width of the intervals depends on how many pairs
    share α (`multiple`).

    :param pairs: (first, second), names of the table's optimizers; the verdict is about the first.
    :param look: how often these optimizers were compared on this suite with this metric, this time included.
    :param flips: patterns of signs for max-t.
    :param seed: seed of the signs.
    :raises ComponentError: if there are too few studies, or scipy is missing.
    """
    differences = [table.compute_differences(*pair) for pair in pairs]
    like_these, refusal = _judge_on_problems_like_these(differences, table.families, spend_alpha(look), flips, seed)
    comparisons = []
    for (first, second), each, like in zip(pairs, differences, like_these, strict=True):
        suite = _judge_on_suite(each, spend_alpha(look), len(pairs))
        more_studies = advise_more_studies(suite.estimate, margin=suite.margin, look=look, contrasts=len(pairs))
        comparisons.append(
            PairComparison(
                first=first,
                second=second,
                suite=suite,
                like_these=like,
                refusal=refusal,
                new_problem=estimate_new_problem(like.estimate) if like else None,
                independence=measure_independence(each),
                more_studies=None if suite.decided else more_studies,
                more_families=_advise_families(like, each, table.families, look, len(pairs)) if like else None,
            )
        )
    return tuple(comparisons)


def _judge_on_suite(differences: Array, alpha: float, contrasts: int) -> EffectVerdict:
    """Return the verdict on this suite; α is divided between the contrasts."""
    estimate = estimate_on_suite(differences)
    return judge_estimate(
        estimate,
        margin=SUITE_MARGIN,
        alpha=alpha,
        critical=bonferroni_critical(estimate.df, alpha, contrasts),
        equivalence_critical=bonferroni_critical(estimate.df, 2 * alpha, contrasts),
    )


def _judge_on_problems_like_these(
    differences: Sequence[Array], families: Sequence[str], alpha: float, flips: int, seed: int
) -> tuple[Sequence[EffectVerdict | None], str]:
    """Return the verdict on each contrast, by max-t over all; or None for each, and why."""
    try:
        estimates = [estimate_on_problems_like_these(each, families) for each in differences]
    except TooFewFamiliesError as error:
        return [None] * len(differences), str(error)
    means = np.stack([average_families(each, families) for each in differences])
    critical, equivalence = (max_t_critical(means, level, flips=flips, seed=seed) for level in (alpha, 2 * alpha))
    verdicts = [
        judge_estimate(
            estimate, margin=LIKE_THESE_MARGIN, alpha=alpha, critical=critical, equivalence_critical=equivalence
        )
        for estimate in estimates
    ]
    return verdicts, ""


def _advise_families(
    verdict: EffectVerdict, differences: Array, families: Sequence[str], look: int, contrasts: int
) -> MoreAdvice | None:
    """Return how many families decide, or None if they are decided."""
    if verdict.decided:
        return None
    variance = compute_seed_variance(differences, families)
    return advise_more_families(
        verdict.estimate, seed_variance=variance, margin=verdict.margin, look=look, contrasts=contrasts
    )
