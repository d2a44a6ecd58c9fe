"""Freezes the targets of a suite: losses that a fixed pool of tuned optimizers reaches, early to late.

Targets never come from contestants. Otherwise every contestant would change how all others are scored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from playground.plugins.manager import Plugins
from playground.runner.comparing.contestants import Contestant, name_contestants
from playground.runner.comparing.measuring import CompareProgress, measure_suite
from playground.runner.comparing.pair import PairRuns
from playground.runner.comparing.protocol import SCORING_SEEDS, follow_study, scoring_seeds
from playground.runner.comparing.suites import Suite
from playground.scenario.suite import TARGETS

if TYPE_CHECKING:
    from numpy.typing import NDArray

POOL = ("sgd", "momentum", "rmsprop", "adam")
"""The optimizers whose losses become targets."""

LAST_SHARE = 0.8
"""The hardest target is what the pool reaches after this share of the budget."""

FIRST_SHARE = 0.02
"""The easiest one is what it reaches after this share."""

MIN_RATIO = 10**0.25
"""The least ratio of neighbouring targets; closer ones count the same progress twice."""

MIN_GAP = 1e-7
"""The hardest target as a share of the first gap: below, losses say more about rounding than about optimizers."""

FIRST_GAP_SHARES = (0.5, 1e-4)
"""The easiest and the hardest target, as shares of the first gap, where the pool gives none."""

MIN_REACHING = 2
"""How many of the pool must reach the hardest target."""


@dataclass(frozen=True)
class FreezeOutcome:
    """What freezing gave.

    :param targets: what the file says of each problem.
    :param refusals: why a problem has no targets, by problem.
    """

    targets: Mapping[str, Mapping[str, Any]]
    refusals: Mapping[str, str]


def freeze_suite(
    suite: Suite, plugins: Plugins, folder: Path, jobs: int | None = None, progress: CompareProgress | None = None
) -> FreezeOutcome:
    """Measure the pool on every problem, and choose targets.

    The pool is tuned by its final losses, in one study, because there are no targets yet. A problem without a known
    least loss gets the lowest one that the pool finds.

    :param folder: where `.playground` is.
    """
    pool = name_contestants(POOL, plugins)
    blank = {name: replace(each, targets=()) for name, each in suite.problems.items()}
    measured = measure_suite(replace(suite, problems=blank), pool, [0], plugins, folder, jobs, progress)
    targets, refusals = {}, {}
    for name, problem in suite.problems.items():
        runs = [measured.runs[each.label, name] for each in pool]
        least = problem.entry.least if problem.entry.least is not None else min(map(_lowest_loss, runs))
        curves = [_median_gaps(each, contestant, least) for each, contestant in zip(runs, pool, strict=True)]
        try:
            chosen = choose_targets(curves, runs[0].scores[0].steps)
        except UnusableProblemError as error:
            if problem.entry.headline:
                refusals[name] = str(error)
                continue
            chosen = share_first_gap(curves)
        targets[name] = {"least": least, "targets": chosen, "content": problem.content}
    return FreezeOutcome(targets, refusals)


class UnusableProblemError(Exception):
    """A problem does not tell optimizers apart; the message says why."""


def choose_targets(curves: Sequence[NDArray[Any]], steps: Sequence[int]) -> list[float]:
    """Return the targets of a problem, descending gaps.

    The pool's median gap so far, at steps spaced by ratio from `FIRST_SHARE` to `LAST_SHARE` of the budget, or until it
    falls below `MIN_GAP`. Where these gaps are too close, as many gaps spaced by ratio between the first and the last.

    :param curves: the median gap of each tuned optimizer of the pool at `steps`.
    :raises UnusableProblemError: the pool hardly moves, or too few of it reach the hardest target.
    """
    import numpy as np

    best = np.fmin.accumulate(np.where(np.isfinite(curves), curves, np.inf), axis=1)
    median = np.median(best, axis=0)
    first = float(median[0])
    if not first > 0 or not math.isfinite(first):
        raise UnusableProblemError("it starts at its least loss, or has no finite loss at the start")
    budget = steps[-1]
    solved = np.flatnonzero(median <= MIN_GAP * first)
    last = min(LAST_SHARE * budget, steps[int(solved[0])] if len(solved) else budget)
    places = np.geomspace(min(max(FIRST_SHARE * budget, 1), last / 8), last, TARGETS)
    known = np.maximum(steps, 1e-9)
    gaps = np.exp(np.interp(np.log(places), np.log(known), np.log(np.maximum(median, MIN_GAP * first))))
    gaps[0] = min(gaps[0], first / MIN_RATIO)
    if (gaps[:-1] < gaps[1:] * MIN_RATIO).any():
        gaps = np.geomspace(gaps[0], gaps[-1], TARGETS)
    if not gaps[-1] > 0 or (gaps[:-1] < gaps[1:] * MIN_RATIO).any():
        share = first / max(float(median[-1]), MIN_GAP * first)
        raise UnusableProblemError(f"the pool lowers the gap by a factor of {share:.3g} only")
    reaching = int((best[:, -1] <= gaps[-1]).sum())
    if reaching < MIN_REACHING:
        raise UnusableProblemError(f"{reaching} of {len(curves)} optimizers of the pool reach the hardest target")
    return [float(f"{gap:.6g}") for gap in gaps]


def share_first_gap(curves: Sequence[NDArray[Any]]) -> list[float]:
    """Return fixed shares of the pool's first gap, for a problem outside the verdict that the pool hardly solves.

    On a multimodal problem, a run reaches the last one if it ends in the right basin.
    """
    import numpy as np

    first = float(np.median([curve[0] for curve in curves]))
    return [float(f"{gap:.6g}") for gap in np.geomspace(FIRST_GAP_SHARES[0], FIRST_GAP_SHARES[1], TARGETS) * first]


def format_targets(outcome: FreezeOutcome) -> str:
    """Return the text of the file of frozen targets."""
    made = f"`playground suite freeze`: tuned {', '.join(POOL)}, {SCORING_SEEDS} seeds"
    content = {"made": made, "problems": dict(outcome.targets)}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None)
    return f"# Written by `playground suite freeze`; do not edit.\n{text}"


def _lowest_loss(runs: PairRuns) -> float:
    import numpy as np

    return min(float(np.nanmin(scores.losses)) for scores in runs.scores)


def _median_gaps(runs: PairRuns, contestant: Contestant, least: float) -> NDArray[Any]:
    """Return the median gap of a tuned optimizer over its scoring seeds, at all kept steps."""
    import numpy as np

    name = runs.problem.name
    study = follow_study(name, 0, contestant.space, runs)
    if study.chosen is None or study.missing:
        raise UnusableProblemError("some runs of the pool are missing")
    losses = runs.read(study.chosen, scoring_seeds(name, 0), lambda scores: scores.losses)
    return np.median(np.where(np.isfinite(losses), losses - least, np.inf), axis=0)
