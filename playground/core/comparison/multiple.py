"""Critical values for several comparisons at once.

On problems like these, the largest |t| over the contrasts is simulated by flipping signs of families (max-t). On the
suite, Bonferroni's bound holds: the studies are too few to flip (five have 16 patterns of signs up to a common one, so
no p-value is below 1/16), and the degrees of freedom differ between contrasts.
"""

from __future__ import annotations

import numpy as np

from playground.core.comparison.scipy_stats import import_stats
from playground.core.comparison.scoring import Array

FLIPS = 2_000
"""Patterns of signs that max-t draws."""


def bonferroni_critical(df: float, alpha: float, contrasts: int = 1) -> float:
    """Return `t(1 - α / (2 C), df)`, which bounds the probability of any wrong decision among C contrasts by α.

    It needs no assumption on how the contrasts depend on each other, and each has its own degrees of freedom.
    """
    return float(import_stats().t.isf(alpha / (2 * contrasts), df))


def max_t_critical(means: Array, alpha: float, *, flips: int = FLIPS, seed: int = 0) -> float:
    """Return the 1 - α quantile of the largest |t| over all contrasts, by flipping signs of families.

    With the centred means r = means - mean over families, one random sign ε_f for each family, the same for all
    contrasts, and t_c of the F numbers ε_f r_cf::

        critical = the ⌈(1 - α)(flips + 1)⌉-th smallest of max_c |t_c|

    Joint signs keep the dependence between contrasts: baselines that behave alike count as little more than one.
    Centred means describe the noise whatever the true differences are. The result is kept between the quantile of a
    single t and Bonferroni's: the true value lies there, and the order statistic is coarse at small α.

    :param means: the mean of each family in each contrast, shape (contrasts, families).
    :param seed: seed of the signs; the same seed gives the same value.

    P. H. Westfall and S. S. Young, "Resampling-Based Multiple Testing" (1993).
    """
    contrasts, families = means.shape
    least, most = (bonferroni_critical(families - 1, alpha, count) for count in (1, contrasts))
    rank = int(np.ceil((1 - alpha) * (flips + 1)))
    if contrasts == 1 or rank > flips:
        return most
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), (flips, families))
    largest = np.sort(_flip_signs(means, signs).max(-1))
    return float(np.clip(largest[rank - 1], least, most))


def _flip_signs(means: Array, signs: Array) -> Array:
    """Return |t| of each contrast under each pattern of signs, shape (flips, contrasts); 0 if nothing varies."""
    families = means.shape[-1]
    residuals = means - means.mean(-1, keepdims=True)
    center = signs @ residuals.T / families
    variance = ((residuals**2).sum(-1) - families * center**2) / (families - 1)
    se = np.sqrt(np.maximum(variance, 0.0) / families)
    sizes: Array = np.divide(np.abs(center), se, out=np.zeros_like(center), where=se > 0)
    return sizes
