"""Writes down what each optimizer was given: trials, evaluations, choices at an edge, failures, engines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from playground.comparison import LedgerEntry
from playground.runner.comparing.contestants import Contestant
from playground.runner.comparing.judging import Followed
from playground.runner.comparing.protocol import scoring_seeds, tuning_seeds


def write_ledger(followed: Followed, sources: Mapping[str, str]) -> list[LedgerEntry]:
    """Return an entry for each optimizer.

    :param sources: hash of each optimizer's source, by label.
    """
    return [_write_entry(followed, each, sources[each.label]) for each in followed.contestants]


def _write_entry(followed: Followed, contestant: Contestant, source: str) -> LedgerEntry:
    label = contestant.label
    totals, engines, trials = Counter[str](), Counter[str](), 0
    for problem in followed.suite.problems:
        runs = followed.runs[label, problem]
        for number, study in enumerate(followed.studies[label, problem]):
            trials = max(trials, len(study.tried))
            totals["choices"] += 1
            if study.chosen is not None and contestant.space.is_at_edge(study.chosen, study.tried):
                totals["at_edge"] += 1
            tuning = [(setting, seed) for setting in study.tried for seed in tuning_seeds(problem, number)]
            scoring = [(study.chosen, seed) for seed in scoring_seeds(problem, number) if study.chosen is not None]
            for kind, requests in (("tuning", tuning), ("scoring", scoring)):
                for table, scores, rows in runs.locate(requests):
                    totals[kind] += int(scores.spent[rows].sum())
                    totals["failed"] += int(scores.failed[rows].sum())
                    totals["runs"] += len(rows)
                    engines[table.engine] += len(rows)
    return LedgerEntry(
        optimizer=label,
        specification=str(contestant),
        trials=trials,
        tuning=totals["tuning"],
        scoring=totals["scoring"],
        at_edge=totals["at_edge"],
        choices=totals["choices"],
        failed=totals["failed"],
        runs=totals["runs"],
        engines=dict(engines),
        source=source,
    )
