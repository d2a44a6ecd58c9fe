"""Judges optimizers by the gradient evaluations that they need on a suite of problems.

The stages, in order:

1. `scoring` turns the noise-free losses of runs into log2 gradient evaluations. `tuning` chooses the setting of each
study, `expected_best` says what trying fewer settings would give. `scores` is the table that everything else reads.
2. `estimates` computes the difference of two optimizers on this suite, on problems like these, and on one new problem.
3. `looks` says which error probability a look may spend, `multiple` corrects for several comparisons, `verdicts` reads
intervals, `more` says what an undecided comparison needs, and `pairs` does all of this for the pairs of one look.
4. `resolution` states beforehand what can be told apart. `contrasts` and `descriptions` show more of the same scores,
without a verdict.

Formulas are in the docstrings. scipy is imported where it is needed (`scipy_stats`).
"""

from playground.core.comparison.contrasts import PropertyContrast, contrast_property
from playground.core.comparison.descriptions import (
    MIN_RESOLUTION,
    ProblemCounts,
    average_middle_half,
    count_problems,
    judge_problems,
    measure_improvement,
    measure_resolutions,
)
from playground.core.comparison.estimates import (
    MIN_FAMILIES,
    MIN_INDEPENDENCE,
    EffectEstimate,
    TooFewFamiliesError,
    average_families,
    compute_family_moments,
    measure_independence,
)
from playground.core.comparison.expected_best import expect_best
from playground.core.comparison.looks import SAMPLE_GROWTH, TOTAL_ALPHA, spend_alpha
from playground.core.comparison.more import MoreAdvice
from playground.core.comparison.pairs import PairComparison, compare_pairs
from playground.core.comparison.quasi_random import halton_points
from playground.core.comparison.resolution import compute_power, find_detectable_factor
from playground.core.comparison.scipy_stats import import_stats
from playground.core.comparison.scores import ScoreTable
from playground.core.comparison.scoring import count_evaluations, measure_progress, score_evaluations
from playground.core.comparison.tuning import choose_settings, choose_shared_settings
from playground.core.comparison.verdicts import LIKE_THESE_MARGIN, SUITE_MARGIN, EffectVerdict

__all__ = [
    "LIKE_THESE_MARGIN",
    "MIN_FAMILIES",
    "MIN_INDEPENDENCE",
    "MIN_RESOLUTION",
    "SAMPLE_GROWTH",
    "SUITE_MARGIN",
    "TOTAL_ALPHA",
    "EffectEstimate",
    "EffectVerdict",
    "MoreAdvice",
    "PairComparison",
    "ProblemCounts",
    "PropertyContrast",
    "ScoreTable",
    "TooFewFamiliesError",
    "average_families",
    "average_middle_half",
    "choose_settings",
    "choose_shared_settings",
    "compare_pairs",
    "compute_family_moments",
    "compute_power",
    "contrast_property",
    "count_evaluations",
    "count_problems",
    "expect_best",
    "find_detectable_factor",
    "halton_points",
    "import_stats",
    "judge_problems",
    "measure_improvement",
    "measure_independence",
    "measure_progress",
    "measure_resolutions",
    "score_evaluations",
    "spend_alpha",
]
