"""Curves of each optimizer over the suite: targets reached, sensitivity to the setting, the best of k trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from playground.comparison import OptimizerCurves
from playground.runner.comparing.contestants import Contestant
from playground.runner.comparing.judging import Followed, score_by_penalty, score_first_settings
from playground.runner.comparing.run_scores import DEFAULT_PENALTY
from playground.runner.comparing.search_spaces import Lattice

if TYPE_CHECKING:
    from numpy.typing import NDArray

POINTS = 60
"""Points of a curve over evaluations."""

RESAMPLES = 400
"""Resamples of families for a band."""

BAND = (2.5, 97.5)
"""Percentiles of a band."""


def trace_curves(followed: Followed) -> list[OptimizerCurves]:
    """Return the curves of every optimizer."""
    return [_trace_optimizer(followed, each) for each in followed.contestants]


def _trace_optimizer(followed: Followed, contestant: Contestant) -> OptimizerCurves:
    grid, middle, low, high = _share_of_targets(followed, contestant.label)
    rates, scores, chosen = _rate_sensitivity(followed, contestant)
    return OptimizerCurves(
        optimizer=contestant.label,
        evaluations=grid.tolist(),
        reached=middle.tolist(),
        reached_low=low.tolist(),
        reached_high=high.tolist(),
        rates=rates,
        rate_scores=scores,
        chosen=chosen,
        expected_best=_expect_best(followed, contestant),
    )


def _share_of_targets(followed: Followed, label: str) -> tuple[NDArray[Any], ...]:
    """Return evaluations, and the mean over families of the share of targets reached by then, with its band."""
    import numpy as np

    problems = followed.headline
    budget = max(each.scenario.steps for each in problems)
    grid = np.geomspace(1, budget, POINTS)
    shares = []
    for problem in problems:
        reached = followed.scored(label, problem.name, lambda scores: scores.reached)
        shares.append((reached[..., None] <= grid).mean((0, 1, 2)))
    names = np.array([each.entry.family for each in problems])
    families = np.array([np.array(shares)[names == family].mean(0) for family in dict.fromkeys(names.tolist())])
    random = np.random.default_rng(0)
    picks = random.integers(len(families), size=(RESAMPLES, len(families)))
    low, high = np.percentile(families[picks].mean(1), BAND, axis=0)
    return grid, families.mean(0), low, high


def _rate_sensitivity(
    followed: Followed, contestant: Contestant
) -> tuple[Sequence[float], Sequence[float], dict[float, int]]:
    """Return the first values of the tuned parameter, the mean score at each, and how often a value was chosen."""
    space = contestant.space
    if not isinstance(space, Lattice):
        return (), (), {}
    scores = _mean_first_scores(followed, contestant)
    chosen = Counter(
        study.chosen[0][1]
        for problem in followed.headline
        for study in followed.studies[contestant.label, problem.name]
        if study.chosen is not None
    )
    values = [setting[0][1] for setting in space.first]
    return values, scores.mean((0, 2)).tolist(), dict(sorted(chosen.items()))


def _expect_best(followed: Followed, contestant: Contestant) -> list[float]:
    """Return the mean expected score of the best of k first settings, from k = 1.

    A study ranks the settings on its tuning seeds; those of the other studies are fresh, and score them.
    """
    import numpy as np

    from playground.core.comparison import expect_best

    scores = _mean_first_scores(followed, contestant)
    _, settings, studies = scores.shape
    if studies < 2:
        return []
    others = (scores.sum(-1, keepdims=True) - scores) / (studies - 1)
    ranked, fresh = np.moveaxis(scores, 1, -1), np.moveaxis(others, 1, -1)
    return [float(expect_best(ranked, fresh, tried).mean()) for tried in range(1, settings + 1)]


def _mean_first_scores(followed: Followed, contestant: Contestant) -> NDArray[Any]:
    """Return the mean score of each first setting, shape `(problems, settings, studies)`."""
    import numpy as np

    score = score_by_penalty(DEFAULT_PENALTY)
    return np.array(
        [score_first_settings(followed, contestant, each.name, score).mean(-1) for each in followed.headline]
    )
