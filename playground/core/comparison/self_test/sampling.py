"""Samples without a true difference, drawn from the scores of a pool."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from playground.core.comparison.estimates import average_families
from playground.core.comparison.scoring import Array
from playground.core.comparison.self_test.pool import ScorePool, draw_table, tune_on_disjoint_seeds

STUDIES = 5
"""Tuning studies of a comparison."""
BANK_STUDIES = 200
"""Studies of each optimizer against itself from which larger samples are drawn."""


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


def find_null_studies(pool: ScorePool, rng: np.random.Generator) -> Array:
    """Return studies in which an optimizer is compared with itself, for optimizers in turn.

    :returns: differences, shape (problems, optimizers · BANK_STUDIES).
    """
    return np.concatenate([tune_on_disjoint_seeds(each, (BANK_STUDIES,), rng) for each in pool.values], -1)


def resample_studies(bank: Array, repeats: int, studies: int, rng: np.random.Generator) -> Array:
    """Return studies drawn for each problem from a bank, with a random sign: both sides are alike, so the mean is 0.

    :param bank: shape (problems, n).
    :returns: shape (repeats, problems, studies).
    """
    shape = (repeats, len(bank), studies)
    places = rng.integers(bank.shape[-1], size=shape)
    return bank[np.arange(len(bank))[:, None], places] * rng.choice((-1.0, 1.0), shape)


def share_repeats(repeats: int, groups: int) -> list[int]:
    """Return how many repeats each group has: as equal as possible."""
    return [repeats // groups + (group < repeats % groups) for group in range(groups)]
