"""Writes down what each optimizer was given: trials, evaluations, choices at an edge, failures, engines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from playground.comparison import LedgerEntry
from playground.runner.comparing.contestants import Contestant
from playground.runner.comparing.judging import Followed
from playground.runner.comparing.protocol import scoring_seeds


def write_ledger(followed: Followed, sources: Mapping[str, str]) -> list[LedgerEntry]:
    """Return an entry for each optimizer.

    :param sources: hash of each optimizer's source, by label.
    """
    return [_write_entry(followed, each, sources[each.label]) for each in followed.contestants]


def _write_entry(followed: Followed, contestant: Contestant, source: str) -> LedgerEntry:
    import numpy as np

    label = contestant.label
    tuning = scoring = failed = runs = at_edge = choices = 0
    engines: Counter[str] = Counter()
    trials = set()
    for problem in followed.suite.problems:
        studies, found = followed.studies[label, problem], followed.runs[label, problem]
        fresh = np.concatenate([list(scoring_seeds(problem, number)) for number in range(len(studies))])
        for table, scores in zip(found.tables, found.scores, strict=True):
            is_scoring = np.isin(table.seed, fresh)
            scoring += int(scores.spent[is_scoring].sum())
            tuning += int(scores.spent[~is_scoring].sum())
            failed += int(scores.failed.sum())
            runs += len(table)
            engines[table.engine] += len(table)
        for study in studies:
            trials.add(len(study.tried))
            choices += 1
            at_edge += study.chosen is not None and contestant.space.is_at_edge(study.chosen, study.tried)
    return LedgerEntry(
        optimizer=label,
        specification=str(contestant),
        trials=max(trials, default=0),
        tuning=tuning,
        scoring=scoring,
        at_edge=at_edge,
        choices=choices,
        failed=failed,
        runs=runs,
        engines=dict(engines),
        source=source,
    )
