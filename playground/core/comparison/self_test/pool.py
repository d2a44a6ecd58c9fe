"""Scores of every setting with many seeds, from which tuning and scoring can be repeated without running anything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from playground.core.comparison.scores import ScoreTable
from playground.core.comparison.scoring import Array
from playground.core.comparison.tuning import choose_settings

TUNING_SEEDS = 5
"""Seeds on which a study tunes."""
SCORING_SEEDS = 10
"""Seeds with which a study scores the chosen setting."""
MIN_SEEDS = 2 * TUNING_SEEDS + SCORING_SEEDS
"""Seeds of a pool: two sides tune on seeds of their own, and share the scoring seeds."""


@dataclass(frozen=True, kw_only=True)
class ScorePool:
    """Scores of optimizers on problems, for each setting and each seed.

    The seeds stand for all seeds: each study of a repeat draws its own without replacement, so two studies are
    independent, and tuning and scoring seeds of one study are disjoint.

    :param optimizers: their names, at least two.
    :param families: the family of each problem.
    :param values: log2 gradient evaluations (`score_evaluations`), finite; shape (optimizers, problems, settings,
        seeds) with at least `MIN_SEEDS` seeds. The settings can differ between optimizers and problems.
    """

    optimizers: tuple[str, ...]
    families: tuple[str, ...]
    values: Array

    def __post_init__(self) -> None:
        shape = (len(self.optimizers), len(self.families))
        if self.values.ndim != 4 or self.values.shape[:2] != shape or len(self.optimizers) < 2:
            raise ValueError(f"scores have the shape {self.values.shape}, not {shape} + (settings, seeds)")
        if self.values.shape[-1] < MIN_SEEDS:
            raise ValueError(f"a pool needs at least {MIN_SEEDS} seeds, not {self.values.shape[-1]}")
        if not np.isfinite(self.values).all():
            raise ValueError("scores must be finite: a run that fails has the score of one that reaches nothing")

    def scores_of(self, optimizer: str) -> Array:
        """Return the scores of one optimizer, shape (problems, settings, seeds)."""
        return np.asarray(self.values[self.optimizers.index(optimizer)])


def tune_on_disjoint_seeds(scores: Array, studies: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Return differences of an optimizer from itself, tuned twice on disjoint seeds and scored on the same ones.

    :param scores: shape (problems, settings, seeds).
    :param studies: shape of what is repeated, such as (repeats, studies).
    :returns: differences d, shape (problems, *studies); both sides have the same distribution.
    """
    differences = np.empty((len(scores), *studies))
    for problem, values in enumerate(scores):
        order = _shuffle_seeds(values.shape[-1], studies, rng)
        first, second = (_tune_and_score(values, order, side * TUNING_SEEDS) for side in (0, 1))
        differences[problem] = (first - second).mean(-1)
    return differences


def tune_on_shared_seeds(scores: list[Array], studies: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Return the scores of optimizers that tune on the same seeds, as the studies of a comparison do.

    :param scores: for each optimizer, shape (problems, settings, seeds); settings can differ in number.
    :param studies: shape of what is repeated, such as (repeats, studies).
    :returns: shape (optimizers, problems, *studies, scoring seeds).
    """
    table = np.empty((len(scores), len(scores[0]), *studies, SCORING_SEEDS))
    for problem in range(len(scores[0])):
        order = _shuffle_seeds(scores[0].shape[-1], studies, rng)
        for optimizer, values in enumerate(scores):
            table[optimizer, problem] = _tune_and_score(values[problem], order, 0)
    return table


def draw_table(pool: ScorePool, studies: int, rng: np.random.Generator) -> ScoreTable:
    """Return the scores of one comparison of all optimizers of the pool."""
    problems = tuple(f"problem {number}" for number in range(len(pool.families)))
    return ScoreTable(
        optimizers=pool.optimizers,
        problems=problems,
        families=pool.families,
        probes=pool.families,
        values=tune_on_shared_seeds(list(pool.values), (studies,), rng),
    )


def _shuffle_seeds(seeds: int, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return orders of the seeds, shape (*shape, seeds)."""
    return rng.random((*shape, seeds), dtype=np.float32).argsort(-1)


def _tune_and_score(values: Array, order: np.ndarray, begin: int) -> Array:
    """Return the scores of the setting that is best on five seeds, on the last ten seeds of each order.

    :param values: shape (settings, seeds).
    :param begin: where the tuning seeds begin in an order.
    :returns: shape (..., scoring seeds).
    """
    tuning = order[..., begin : begin + TUNING_SEEDS]
    means = sum(values.T[tuning[..., place]] for place in range(TUNING_SEEDS)) / TUNING_SEEDS
    chosen = choose_settings(np.asarray(means))
    return np.asarray(values[chosen[..., None], order[..., -SCORING_SEEDS:]])
