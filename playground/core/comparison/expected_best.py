"""The expected score of the best of k tried settings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from playground.core.comparison.scipy_stats import import_stats
from playground.core.comparison.scoring import Array


def expect_best(tuning: npt.ArrayLike, scoring: npt.ArrayLike, tried: int) -> Array:
    """Return the expected score if k of n settings are tried at random and the best on the tuning seeds is taken.

    With r = 1 for the best setting on the tuning seeds, and y_(r) its score on other seeds::

        Σ_r C(n - r, k - 1) / C(n, k) · y_(r)

    Settings with equal tuning scores share their weights equally, which is the mean over all orders of them.

    :param tuning: scores on the tuning seeds, shape (..., n); lower is better.
    :param scoring: scores of the same settings on other seeds, shape (..., n).
    :param tried: k, from 1 to n.
    :returns: expected scores, shape (...).
    """
    tuning, scoring = np.asarray(tuning, np.float64), np.asarray(scoring, np.float64)
    settings = tuning.shape[-1]
    if not 1 <= tried <= settings:
        raise ValueError(f"{tried} of {settings} settings cannot be tried")
    sums = np.concatenate([[0.0], np.cumsum(weigh_ranks(settings, tried))])
    rank = import_stats().rankdata
    least, most = (rank(tuning, method, axis=-1).astype(int) for method in ("min", "max"))
    weights = (sums[most] - sums[least - 1]) / (most - least + 1)
    return np.asarray((weights * scoring).sum(-1))


def weigh_ranks(settings: int, tried: int) -> Array:
    """Return `C(n - r, k - 1) / C(n, k)` for r = 1, ..., n: the probability that rank r is the best of k tried ones."""
    weights = np.zeros(settings)
    weight = tried / settings
    for rank in range(settings - tried + 1):
        weights[rank] = weight
        # C(n-r-1, k-1) / C(n-r, k-1) = (n-r-k+1) / (n-r), with r counted from 1
        weight *= (settings - rank - tried) / (settings - rank - 1) if rank < settings - 1 else 0.0
    return weights
