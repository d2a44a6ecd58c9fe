"""Turns the runs of all pairs into scores, and the scores into findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from playground.comparison import EffectFinding, FamilyEffect, PairFinding, ProbeEffect, ProblemTally
from playground.runner.comparing.contestants import Contestant
from playground.runner.comparing.measuring import Measured
from playground.runner.comparing.pair import PairRuns
from playground.runner.comparing.protocol import Study, follow_study, scoring_seeds, tuning_seeds
from playground.runner.comparing.run_scores import DEFAULT_PENALTY, PENALTIES, RunScores
from playground.runner.comparing.suites import Suite, SuiteProblem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from playground.core.comparison import EffectVerdict, PairComparison, ScoreTable

    Score = Callable[[RunScores], NDArray[Any]]

NEW_PROBLEM_ALPHA = 0.05
"""One minus the coverage of the interval for a new problem; nothing is decided by it."""

MIN_PROBE_FAMILIES = 5
"""Families that an interval over one probe needs."""

FINAL_LOSS = "final loss"


@dataclass(frozen=True, kw_only=True)
class Followed:
    """The finished studies of all pairs.

    :param studies: by label and problem.
    """

    suite: Suite
    contestants: Sequence[Contestant]
    runs: Mapping[tuple[str, str], PairRuns]
    studies: Mapping[tuple[str, str], Sequence[Study]]

    @property
    def headline(self) -> list[SuiteProblem]:
        """The problems that count in the verdict."""
        return [each for each in self.suite.problems.values() if each.entry.headline]

    def scored(self, label: str, problem: str, score: Score) -> NDArray[Any]:
        """Return a score of the tuned optimizer, shape `(studies, scoring seeds)`."""
        import numpy as np

        runs = self.runs[label, problem]
        return np.stack(
            [
                runs.read(study.chosen, scoring_seeds(problem, number), score)
                for number, study in enumerate(self.studies[label, problem])
                if study.chosen is not None
            ]
        )

    def table(self, problems: Iterable[SuiteProblem], score: Score) -> ScoreTable:
        """Return a score of all tuned optimizers on some problems."""
        import numpy as np

        from playground.core.comparison import ScoreTable

        problems, labels = list(problems), [each.label for each in self.contestants]
        values = [[self.scored(label, problem.name, score) for problem in problems] for label in labels]
        return ScoreTable(
            optimizers=tuple(labels),
            problems=tuple(each.name for each in problems),
            families=tuple(each.entry.family for each in problems),
            probes=tuple(each.entry.probe for each in problems),
            values=np.array(values),
        )


def follow_studies(
    suite: Suite, contestants: Sequence[Contestant], measured: Measured, studies: Sequence[int]
) -> Followed:
    """Return the choices of all studies; problems with missing runs are left out."""
    found = {
        (each.label, name): [
            follow_study(name, number, each.space, measured.runs[each.label, name]) for number in studies
        ]
        for each in contestants
        for name in suite.problems
    }
    unfinished = {name for (_, name), some in found.items() if any(study.missing for study in some)}
    complete = {name: each for name, each in suite.problems.items() if name not in unfinished}
    return Followed(suite=suite.with_problems(complete), contestants=contestants, runs=measured.runs, studies=found)


def score_by_penalty(penalty: float) -> Score:
    """Return the score with a penalty, in log2 evaluations."""
    return lambda scores: scores.evaluations[penalty]


def judge_pairs(followed: Followed, pairs: Sequence[tuple[str, str]], look: int) -> list[PairFinding]:
    """Return what may be said of some pairs of optimizers."""
    from playground.core.comparison import compare_pairs

    table = followed.table(followed.headline, score_by_penalty(DEFAULT_PENALTY))
    found = compare_pairs(table, pairs, look=look)
    shared: Sequence[PairComparison | None] = [None] * len(pairs)
    if len(set(table.families)) > 1:
        shared = compare_pairs(tabulate_shared_settings(followed), pairs, look=look)
    others = {f"penalty {penalty:g}×": score_by_penalty(penalty) for penalty in PENALTIES if penalty != DEFAULT_PENALTY}
    others[FINAL_LOSS] = lambda scores: scores.progress
    by_metric = {
        name: compare_pairs(followed.table(followed.headline, score), pairs, look=look)
        for name, score in others.items()
    }
    return [
        _describe_pair(table, each, shared[place], {name: _word(some[place]) for name, some in by_metric.items()})
        for place, each in enumerate(found)
    ]


def _describe_pair(
    table: ScoreTable, pair: PairComparison, shared: PairComparison | None, holds: Mapping[str, str]
) -> PairFinding:
    from playground.core.comparison import average_middle_half, count_problems, judge_problems, measure_improvement

    differences = table.compute_differences(pair.first, pair.second)
    tally = count_problems(judge_problems(differences))
    advice = pair.more_families if pair.like_these else pair.more_studies
    new = pair.new_problem.interval(NEW_PROBLEM_ALPHA) if pair.new_problem else None
    return PairFinding(
        optimizer=pair.first,
        baseline=pair.second,
        like_these=None if pair.like_these is None else describe_effect(pair.like_these),
        refusal=pair.refusal,
        suite=describe_effect(pair.suite),
        new_problem=None if new is None else (2.0 ** new[0], 2.0 ** new[1]),
        shared=None if shared is None else describe_effect(shared.like_these or shared.suite),
        holds=holds,
        more="" if advice is None else str(advice),
        tally=ProblemTally(better=tally.better, worse=tally.worse, equal=tally.equal, cannot_tell=tally.cannot_tell),
        families=_describe_families(table, differences),
        probes=_describe_probes(table, differences),
        improvement=measure_improvement(table, pair.first, pair.second),
        middle=2.0 ** average_middle_half(differences),
    )


def tabulate_shared_settings(followed: Followed) -> ScoreTable:
    """Return the scores with one setting for all problems, from the tuning runs of the first settings.

    The setting of a problem is chosen on the other families, so the problem's own tuning seeds are fresh for it.
    """
    import numpy as np

    from playground.core.comparison import ScoreTable, choose_shared_settings

    problems, score = followed.headline, score_by_penalty(DEFAULT_PENALTY)
    families = [each.entry.family for each in problems]
    values = []
    for contestant in followed.contestants:
        scores = np.array([score_first_settings(followed, contestant, each.name, score) for each in problems])
        chosen = choose_shared_settings(scores.mean((-2, -1)), families)
        values.append([each[setting] for each, setting in zip(scores, chosen, strict=True)])
    return ScoreTable(
        optimizers=tuple(each.label for each in followed.contestants),
        problems=tuple(each.name for each in problems),
        families=tuple(families),
        probes=tuple(each.entry.probe for each in problems),
        values=np.array(values),
    )


def score_first_settings(followed: Followed, contestant: Contestant, problem: str, score: Score) -> NDArray[Any]:
    """Return the scores of the first settings of every study, shape `(settings, studies, tuning seeds)`."""
    import numpy as np

    runs = followed.runs[contestant.label, problem]
    studies = range(len(followed.studies[contestant.label, problem]))
    return np.array(
        [
            [runs.read(setting, tuning_seeds(problem, study), score) for study in studies]
            for setting in contestant.space.first
        ]
    )


def describe_effect(verdict: EffectVerdict) -> EffectFinding:
    """Return a verdict as factors and words."""
    low, high = verdict.factor_interval
    return EffectFinding(
        factor=verdict.estimate.factor,
        low=low,
        high=high,
        word=verdict.word,
        text=str(verdict),
        equivalent=verdict.equivalent,
    )


def _word(pair: PairComparison) -> str:
    return (pair.like_these or pair.suite).word


def _describe_families(table: ScoreTable, differences: NDArray[Any]) -> list[FamilyEffect]:
    """Return the factor of each family, with a t interval over studies."""
    from playground.core.comparison import EffectEstimate, compute_family_moments

    found = []
    for family in dict.fromkeys(table.families):
        mine = [place for place, name in enumerate(table.families) if name == family]
        center, se, df = map(float, compute_family_moments(differences[mine].mean(0)))
        low, high = EffectEstimate(center=center, se=se, df=df, count=differences.shape[1]).interval(0.05)
        found.append(
            FamilyEffect(
                family=family,
                probe=table.probes[mine[0]],
                problems=len(mine),
                factor=2.0**center,
                low=2.0**low,
                high=2.0**high,
            )
        )
    return found


def _describe_probes(table: ScoreTable, differences: NDArray[Any]) -> list[ProbeEffect]:
    """Return the factor over the families of each probe, with a t interval over families if there are enough."""
    import numpy as np

    from playground.core.comparison import EffectEstimate, average_families, compute_family_moments

    found = []
    for probe in dict.fromkeys(table.probes):
        mine = [place for place, name in enumerate(table.probes) if name == probe]
        means = average_families(differences[mine], [table.families[place] for place in mine])
        low = high = None
        word = ""
        if len(means) >= MIN_PROBE_FAMILIES:
            center, se, df = map(float, compute_family_moments(means))
            ends = EffectEstimate(center=center, se=se, df=df, count=len(means)).interval(0.05)
            low, high = 2.0 ** ends[0], 2.0 ** ends[1]
            word = "better" if high < 1 else "worse" if low > 1 else "cannot tell"
        factor = float(2.0 ** np.mean(means))
        found.append(ProbeEffect(probe=probe, families=len(means), factor=factor, low=low, high=high, word=word))
    return found
