"""Samples without a true difference, drawn from the scores of a pool."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from playground.core.comparison.estimates import average_families
from playground.core.comparison.scoring import Array
from playground.core.comparison.self_test.pool import ScorePool, draw_table, tune_on_shared_seeds

STUDIES = 5
"""Tuning studies of a comparison."""
BANK_STUDIES = 400
"""Studies of a pair from which samples are drawn."""


def find_pair_means(pool: ScorePool, rng: np.random.Generator) -> Array:
    """Return the mean difference in each family, for all pairs of optimizers in one comparison.

    :returns: shape (pairs, families).
    """
    table = draw_table(pool, STUDIES, rng)
    pairs = combinations(table.optimizers, 2)
    return np.stack([average_families(table.compute_differences(*pair), pool.families) for pair in pairs])


def resample_families(means: Array, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Return families drawn with replacement from the centred means of one pair, so that the true mean is 0.

    :param means: shape (families,).
    """
    return rng.choice(means - means.mean(), shape)


def find_pair_studies(pool: ScorePool, rng: np.random.Generator) -> Array:
    """Return studies of each optimizer and the next one, centred for each problem, so that the true mean is 0.

    :returns: differences, shape (pairs, problems, BANK_STUDIES).
    """
    scores = tune_on_shared_seeds(list(pool.values), (BANK_STUDIES,), rng).mean(-1)
    studies = scores[:-1] - scores[1:]
    return np.asarray(studies - studies.mean(-1, keepdims=True))


def resample_studies(bank: Array, repeats: int, studies: int, rng: np.random.Generator) -> Array:
    """Return studies drawn with replacement for each problem.

    :param bank: shape (problems, n).
    :returns: shape (repeats, problems, studies).
    """
    places = rng.integers(bank.shape[-1], size=(repeats, len(bank), studies), dtype=np.int32)
    return np.asarray(bank[np.arange(len(bank))[:, None], places])


def share_repeats(repeats: int, groups: int) -> list[int]:
    """Return how many repeats each group has: as equal as possible."""
    return [repeats // groups + (group < repeats % groups) for group in range(groups)]
