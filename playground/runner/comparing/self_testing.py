"""Repeats tuning and judging on the stored runs of a comparison, and counts how often it would decide wrongly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playground.comparison import SelfTestFinding
from playground.errors import ComponentError
from playground.runner.comparing.judging import Followed, score_by_penalty, score_first_settings
from playground.runner.comparing.run_scores import DEFAULT_PENALTY

if TYPE_CHECKING:
    from playground.core.comparison.self_test import ScorePool


def measure_decisions(followed: Followed) -> list[SelfTestFinding]:
    """Return the measurements of the acceptance tests, with the runs of this comparison.

    :raises ComponentError: there are too few seeds.
    """
    from playground.core.comparison.self_test import run_self_test

    return [
        SelfTestFinding(
            name=row.name,
            measured=row.measured,
            repeats=row.repeats,
            rate=row.rate,
            low=row.bounds[0],
            high=row.bounds[1],
            requirement=row.requirement,
            passed=row.passed,
        )
        for row in run_self_test(collect_pool(followed))
    ]


def collect_pool(followed: Followed) -> ScorePool:
    """Return the scores of the first settings, which every study tries on seeds of its own.

    :raises ComponentError: there are too few seeds to tune twice on different ones.
    """
    import numpy as np

    from playground.core.comparison.self_test import MIN_SEEDS, ScorePool

    score, problems = score_by_penalty(DEFAULT_PENALTY), followed.headline
    scores = [
        [score_first_settings(followed, contestant, problem.name, score) for problem in problems]
        for contestant in followed.contestants
    ]
    settings = min(each.shape[0] for some in scores for each in some)
    values = np.array([[each[:settings].reshape(settings, -1) for each in some] for some in scores])
    if values.shape[-1] < MIN_SEEDS:
        raise ComponentError(
            f"--self-test needs {MIN_SEEDS} tuning seeds of each problem, and there are {values.shape[-1]}: "
            "give more --studies"
        )
    return ScorePool(
        optimizers=tuple(each.label for each in followed.contestants),
        families=tuple(each.entry.family for each in problems),
        values=values,
    )
