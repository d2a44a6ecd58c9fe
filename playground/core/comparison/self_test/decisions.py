"""Decisions of many repeats at once, by the same moments and critical values as single verdicts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from playground.core.comparison.estimates import (
    Moments,
    average_families,
    compute_family_moments,
    compute_suite_moments,
)
from playground.core.comparison.multiple import max_t_critical
from playground.core.comparison.scipy_stats import import_stats
from playground.core.comparison.scoring import Array

Booleans = npt.NDArray[np.bool_]


def exclude_zero(moments: Moments, alpha: float) -> Booleans:
    """Return whether each 1 - α interval excludes 0."""
    critical = import_stats().t.isf(alpha / 2, moments.df)
    return np.asarray(np.abs(moments.center) > critical * moments.se)


def decide_on_suite(differences: Array, alpha: float) -> Booleans:
    """Return whether each interval on the suite excludes 0.

    :param differences: shape (repeats, problems, studies).
    """
    return exclude_zero(compute_suite_moments(differences), alpha)


def decide_on_problems_like_these(differences: Array, families: Sequence[str], alpha: float) -> Booleans:
    """Return whether each interval for problems like these excludes 0.

    :param differences: shape (repeats, problems, studies).
    """
    return decide_by_families(average_families(differences, families), alpha)


def decide_by_families(means: Array, alpha: float) -> Booleans:
    """Return whether each interval over families excludes 0.

    :param means: shape (repeats, families).
    """
    return exclude_zero(compute_family_moments(means), alpha)


def decide_any_contrast(means: Array, alpha: float) -> bool:
    """Return whether any interval of one look excludes 0, by max-t over its contrasts.

    :param means: shape (contrasts, families).
    """
    moments = compute_family_moments(means)
    return bool(np.any(np.abs(moments.center) > max_t_critical(means, alpha) * moments.se))
