"""Sentences about optimizers that a reader of a verdict should know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from playground.runner.comparing.contestants import Contestant
from playground.runner.comparing.judging import Followed, score_by_penalty
from playground.runner.comparing.run_scores import DEFAULT_PENALTY
from playground.runner.comparing.search_spaces import Fixed


def remark_on_optimizers(followed: Followed) -> Iterator[str]:
    """Yield what is unusual about each optimizer: nothing to tune, no movement, failures on all problems."""
    for contestant in followed.contestants:
        label = contestant.label
        if isinstance(contestant.space, Fixed):
            yield (
                f"{label} has nothing to tune, while others choose among settings; name what to tune, "
                f"such as {contestant.name}(NAME=log:1e-4:1)"
            )
        if all(_stays(followed, contestant, problem) for problem in followed.suite.problems):
            yield f"{label} never moved a parameter"
        failing = [problem for problem in followed.suite.problems if _fails(followed, contestant, problem)]
        if failing:
            rest = f" and {len(failing) - 1} more problems" if len(failing) > 1 else ""
            yield f"{label} fails in every scoring run of {failing[0]}{rest}"


def remark_on_seeds(followed: Followed, pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield that the problems seem to share random numbers, which makes intervals on the suite too narrow."""
    from playground.core.comparison import MIN_INDEPENDENCE, measure_independence

    table = followed.table(followed.headline, score_by_penalty(DEFAULT_PENALTY))
    for first, second in pairs:
        differences = table.compute_differences(first, second)
        if differences.any() and measure_independence(differences) < MIN_INDEPENDENCE:
            too_narrow = "studies differ in the same way on many problems: the interval on this suite is too narrow"
            yield f"{first} and {second}: {too_narrow}"


def _stays(followed: Followed, contestant: Contestant, problem: str) -> bool:
    """Tell whether the loss over all data is the same at all steps of all scoring runs."""
    losses = followed.scored(contestant.label, problem, lambda scores: scores.losses)
    return bool((abs(losses - losses[..., :1]) <= 1e-6 * abs(losses[..., :1])).all())


def _fails(followed: Followed, contestant: Contestant, problem: str) -> bool:
    return bool(followed.scored(contestant.label, problem, lambda scores: scores.failed).all())
