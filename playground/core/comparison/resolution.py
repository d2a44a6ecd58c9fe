"""The resolution of a comparison, which is known before it runs: power, and the least factor that it can tell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from playground.core.comparison.more import POWER
from playground.core.comparison.scipy_stats import import_stats
from playground.core.comparison.scoring import Array

FAR_SHIFT = 6.0
"""Beyond this θ/se, the other tail holds less than 1e-9, and `nct.cdf` can return NaN."""
CERTAIN_SHIFT = 1_000.0
"""Beyond this θ/se the power is 1, and `nct.sf` can return NaN."""


def compute_power(effect: npt.ArrayLike, *, se: npt.ArrayLike, df: npt.ArrayLike, alpha: float) -> Array:
    """Return the probability that a two-sided t test decides, by the noncentral t distribution.

    With the critical value c = t(1 - α/2, df) and the noncentrality θ / se::

        power = P(T(df, θ/se) > c) + P(T(df, θ/se) < -c)

    :param effect: θ, the true difference, in log2 evaluations.
    :param se: its standard error; σ / √F for families that differ by σ. Without any uncertainty the power is 1.
    :param df: degrees of freedom; F - 1 for families.
    """
    stats = import_stats()
    effect, se = np.broadcast_arrays(np.abs(effect), se)
    certain = np.where(effect > 0, CERTAIN_SHIFT, 0.0)
    shift = np.minimum(np.divide(effect, se, out=certain, where=se > 0), CERTAIN_SHIFT)
    critical = stats.t.isf(alpha / 2, df)
    other_tail = stats.nct.cdf(-critical, df, np.minimum(shift, FAR_SHIFT))
    return np.asarray(stats.nct.sf(critical, df, shift) + np.where(shift < FAR_SHIFT, other_tail, 0.0))


def find_detectable_factor(families: int, *, sigma: float, alpha: float, power: float = POWER) -> float:
    """Return the least factor that a comparison on problems like these decides with the given power.

    :param families: F, at least 2.
    :param sigma: standard deviation of the families' differences, in log2 evaluations.
    :param alpha: two-sided; what the look spends, divided by the number of comparisons.
    :returns: `2^θ`, with `compute_power(θ, se=sigma / √F, df=F - 1, alpha=alpha) = power`.
    """
    stats = import_stats()
    from scipy.optimize import brentq

    def miss(shift: float) -> float:
        return float(compute_power(shift, se=1.0, df=families - 1, alpha=alpha)) - power

    most = 10.0 + 2 * float(stats.t.isf(alpha / 2, families - 1))
    return float(2.0 ** (brentq(miss, 0.0, most) * sigma / np.sqrt(families)))
