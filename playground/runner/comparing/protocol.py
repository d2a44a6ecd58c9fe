"""How an optimizer is tuned and scored on a problem: independent studies, each with seeds of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from playground.runner.comparing.search_spaces import SearchSpace, Setting

STUDIES = 5
"""Independent repetitions of tuning and scoring. Without them, luck in tuning looks like a difference."""

TUNING_SEEDS = 5
"""Seeds on which a study compares settings."""

SCORING_SEEDS = 10
"""Fresh seeds on which a study scores the setting that it chose."""

SEEDS_PER_STUDY = TUNING_SEEDS + SCORING_SEEDS

SEEDS_PER_PROBLEM = 10_000
"""Problems have seeds of their own: equal seeds would give two problems the same random numbers."""

Request = tuple[Setting, int]
"""A run: the tuned values and the seed."""


class KnownRuns(Protocol):
    """What is known of the runs of one optimizer on one problem."""

    def has(self, setting: Setting, seed: int) -> bool:
        """Tell whether a run is there."""

    def rank(self, setting: Setting, seeds: Iterable[int]) -> float:
        """Return the mean that settings are ranked by over some seeds, lower first."""


def tuning_seeds(problem: str, study: int) -> range:
    """Return the seeds that a study tunes on, the same for all optimizers."""
    start = _first_seed(problem) + study * SEEDS_PER_STUDY
    return range(start, start + TUNING_SEEDS)


def scoring_seeds(problem: str, study: int) -> range:
    """Return the seeds that a study scores on, the same for all optimizers."""
    start = _first_seed(problem) + study * SEEDS_PER_STUDY + TUNING_SEEDS
    return range(start, start + SCORING_SEEDS)


def _first_seed(problem: str) -> int:
    number = int.from_bytes(hashlib.sha256(problem.encode()).digest()[:4], "big")
    return number * SEEDS_PER_PROBLEM


@dataclass(frozen=True, kw_only=True)
class Study:
    """How far a study has come.

    :param tried: the settings that it compares, in order.
    :param ranks: what they are ranked by, lower first.
    :param chosen: the best on its tuning seeds; None until all are known.
    :param missing: the runs that it needs next; none when it is done.
    """

    tried: Sequence[Setting]
    ranks: Sequence[float] = ()
    chosen: Setting | None = None
    missing: Sequence[Request] = ()


def follow_study(problem: str, number: int, space: SearchSpace, runs: KnownRuns) -> Study:
    """Follow a study as far as the known runs allow.

    It tries the first settings of the space, then those around the best, and scores the best of all on fresh seeds.
    What it needs next depends on nothing but these runs, so it can be interrupted and continued anywhere.
    """
    seeds, tried = tuning_seeds(problem, number), list(space.first)
    if missing := _find_missing(tried, seeds, runs):
        return Study(tried=tried, missing=missing)
    tried += space.around(_choose(tried, _rank(tried, seeds, runs)))
    if missing := _find_missing(tried, seeds, runs):
        return Study(tried=tried, missing=missing)
    ranks = _rank(tried, seeds, runs)
    chosen = _choose(tried, ranks)
    missing = _find_missing([chosen], scoring_seeds(problem, number), runs)
    return Study(tried=tried, ranks=ranks, chosen=chosen, missing=missing)


def next_requests(problem: str, studies: Iterable[int], space: SearchSpace, runs: KnownRuns) -> list[Request]:
    """Return the runs that some studies need next, each once."""
    found = (follow_study(problem, number, space, runs).missing for number in studies)
    return list(dict.fromkeys(request for missing in found for request in missing))


def _rank(settings: Sequence[Setting], seeds: Iterable[int], runs: KnownRuns) -> list[float]:
    seeds = list(seeds)
    return [runs.rank(setting, seeds) for setting in settings]


def _choose(settings: Sequence[Setting], ranks: Sequence[float]) -> Setting:
    """Return the best setting; of equal ones the middle one, which is farthest from worse settings."""
    import numpy as np

    from playground.core.comparison import choose_settings

    numbers = [[value for _, value in setting if isinstance(value, float)] for setting in settings]
    order = sorted(range(len(settings)), key=numbers.__getitem__)
    return settings[order[int(choose_settings(np.array(ranks)[order]))]]


def _find_missing(settings: Sequence[Setting], seeds: Iterable[int], runs: KnownRuns) -> list[Request]:
    return [(setting, seed) for setting in settings for seed in seeds if not runs.has(setting, seed)]
