"""A comparison from beginning to end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from playground.comparison import Comparison, ContrastFinding, ProblemRow, Protocol
from playground.errors import ComponentError
from playground.plugins.manager import Plugins
from playground.plugins.sources import source_digest
from playground.runner.comparing.contestants import BASELINES, Contestant, name_contestants
from playground.runner.comparing.curves import trace_curves
from playground.runner.comparing.expectations import parse_expectation
from playground.runner.comparing.judging import Followed, follow_studies, judge_pairs, score_by_penalty
from playground.runner.comparing.ledger import write_ledger
from playground.runner.comparing.looks import identify_question, keep_look, plan_look
from playground.runner.comparing.measuring import STORE, CompareProgress, measure_suite, require_working
from playground.runner.comparing.protocol import SCORING_SEEDS, TUNING_SEEDS
from playground.runner.comparing.remarks import remark_on_optimizers, remark_on_seeds
from playground.runner.comparing.run_scores import DEFAULT_PENALTY
from playground.runner.comparing.self_testing import measure_decisions
from playground.runner.comparing.suites import find_suite, load_suite
from playground.runner.store import Store
from playground.runner.sweeping.plan import digest

if TYPE_CHECKING:
    from playground.core.comparison import ScoreTable

DEFAULT_SUITE = "core"

METRIC = (
    f"mean over targets of log2 gradient evaluations until the loss over all data first reaches the target; "
    f"{DEFAULT_PENALTY:g} times the budget where it never does"
)
"""The primary metric, declared before anything runs."""

RESOLUTION_SPREADS = (1.0, 2.0)
"""Standard deviations of families, in log2 evaluations, for which the resolution is stated."""


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """What to compare, and how.

    :param against: baselines; the default ones if empty.
    :param suite: name of a suite, or its file.
    :param all_pairs: judge every pair, not only the first optimizer against each baseline.
    :param more: `families` or `studies`: the next look, with more of these.
    :param studies: tuning studies, in place of the default.
    :param expect: what must be shown.
    :param self_test: measure how often such verdicts are wrong.
    :param jobs: processes; by default one per core.
    """

    against: Sequence[str] = ()
    suite: str = DEFAULT_SUITE
    all_pairs: bool = False
    more: str | None = None
    studies: int | None = None
    expect: Sequence[str] = ()
    self_test: bool = False
    jobs: int | None = None


def compare_optimizers(
    optimizer: str,
    plugins: Plugins,
    options: CompareOptions | None = None,
    progress: CompareProgress | None = None,
    folder: Path | None = None,
) -> Comparison:
    """Tune and score an optimizer and its baselines on a suite, and say what follows.

    Everything is checked before anything is computed. Runs are kept in `.playground/compare.sqlite`; asked again,
    nothing is computed twice.

    :param optimizer: the optimizer that the verdicts are about, as `parse_contestant` reads it.
    :param folder: where `.playground` is; by default the working directory.
    :raises PlaygroundError: an optimizer, the suite or an expectation is not valid, or the store cannot be used.
    """
    from playground.core.comparison import import_stats

    options, folder = options or CompareOptions(), folder or Path.cwd()
    import_stats()
    contestants = name_contestants([optimizer, *(options.against or _default_baselines(optimizer))], plugins)
    if len(contestants) < 2:
        raise ComponentError("nothing to compare with: give --against")
    pairs = _choose_pairs([each.label for each in contestants], options.all_pairs)
    expected = [parse_expectation(text, [other for _, other in pairs]) for text in options.expect]
    suite = load_suite(find_suite(options.suite, plugins))
    sources = {each.label: _source_of(each, plugins) for each in contestants}
    question = identify_question(sources, suite.hash, METRIC)
    subject = digest(sorted(sources), suite.name)
    has_slow = any(each.entry.tier == "slow" for each in suite.problems.values())
    with Store.open(folder, name=STORE) as store:
        look, remarks = plan_look(store, question, subject, options.more, options.studies, has_slow)
    for contestant in contestants:
        require_working(contestant, next(iter(suite.problems.values())), plugins)
    studies = range(look.studies)
    chosen = suite.select_tiers(look.tiers)
    measured = measure_suite(chosen, contestants, studies, plugins, folder, options.jobs, progress)
    began = time.perf_counter()
    followed = follow_studies(chosen, contestants, measured, studies)
    if not followed.headline:
        raise ComponentError("no problem is complete: run the command again to go on")
    findings = judge_pairs(followed, pairs, look.number)
    unmet = [miss for each in expected if (miss := each.find_miss(findings))]
    if not measured.interrupted:
        with Store.open(folder, name=STORE) as store:
            keep_look(store, look, [each.headline.word for each in findings])
    table = followed.table(followed.suite.problems.values(), score_by_penalty(DEFAULT_PENALTY))
    return Comparison(
        suite={"name": suite.name, "file": str(suite.file), "hash": suite.hash},
        families=len(followed.suite.families),
        optimizers=[each.label for each in contestants],
        pairs=findings,
        problems=_describe_problems(followed, table),
        contrasts=list(_describe_contrasts(followed, table)),
        curves=trace_curves(followed),
        ledger=write_ledger(followed, sources),
        protocol=_declare_protocol(followed, look.number, look.studies, len(pairs)),
        expected=[each.text for each in expected],
        unmet=unmet,
        notes=[
            *remarks,
            *remark_on_optimizers(followed),
            *remark_on_seeds(followed, pairs),
            *_describe_notes(measured.notes),
        ],
        seconds={**measured.seconds, "judge": time.perf_counter() - began},
        interrupted=measured.interrupted,
        self_test=measure_decisions(followed) if options.self_test else (),
    )


def _default_baselines(optimizer: str) -> list[str]:
    """Return the default baselines, without the optimizer itself."""
    return [each for each in BASELINES if each != optimizer]


def _choose_pairs(labels: Sequence[str], all_pairs: bool) -> list[tuple[str, str]]:
    if all_pairs:
        return list(combinations(labels, 2))
    return [(labels[0], other) for other in labels[1:]]


def _source_of(contestant: Contestant, plugins: Plugins) -> str:
    """Return a hash of an optimizer's source and of what is tuned of it."""
    component = plugins.registry.get("optimizer", contestant.name)
    files = {plugin.name: plugin.file for plugin in plugins.loaded}
    return digest(source_digest(component, files.get(component.origin.plugin, "")), str(contestant))


def _declare_protocol(followed: Followed, look: int, studies: int, pairs: int) -> Protocol:
    """Return how the comparison is made, with its hash."""
    from playground.core.comparison import TOTAL_ALPHA, find_detectable_factor, spend_alpha

    families, alpha = len(followed.suite.families), spend_alpha(look)
    parts = (METRIC, studies, TUNING_SEEDS, SCORING_SEEDS, [str(each) for each in followed.contestants])
    return Protocol(
        metric=METRIC,
        hash=digest(followed.suite.hash, *parts),
        studies=studies,
        tuning_seeds=TUNING_SEEDS,
        scoring_seeds=SCORING_SEEDS,
        look=look,
        alpha=alpha,
        total_alpha=TOTAL_ALPHA,
        resolution={
            spread: find_detectable_factor(families, sigma=spread, alpha=alpha / pairs)
            for spread in RESOLUTION_SPREADS
            if families > 1
        },
    )


def _describe_problems(followed: Followed, table: ScoreTable) -> list[ProblemRow]:
    """Return what came of every problem."""
    import numpy as np

    from playground.core.comparison import measure_resolutions

    resolutions = measure_resolutions(table)
    rows = []
    for place, (name, problem) in enumerate(followed.suite.problems.items()):
        labels = table.optimizers
        hardest = {each: followed.scored(each, name, lambda scores: scores.reached[:, -1]) for each in labels}
        failed = {each: followed.scored(each, name, lambda scores: scores.failed) for each in labels}
        rows.append(
            ProblemRow(
                problem=name,
                family=problem.entry.family,
                probe=problem.entry.probe,
                headline=problem.entry.headline,
                log_evaluations={
                    each: float(values.mean()) for each, values in zip(labels, table.values[:, place], strict=True)
                },
                reached={each: float(np.isfinite(values).mean()) for each, values in hardest.items()},
                failed={each: float(values.mean()) for each, values in failed.items()},
                resolution=float(resolutions[place]) if np.isfinite(resolutions[place]) else None,
            )
        )
    return sorted(rows, key=lambda row: not row.headline)


def _describe_contrasts(followed: Followed, table: ScoreTable) -> Iterator[ContrastFinding]:
    """Yield what each property costs each optimizer."""
    import numpy as np

    from playground.core.comparison import contrast_property

    for name, pairs in followed.suite.content.contrasts.items():
        known = [
            (pair.with_, pair.without)
            for pair in pairs
            if pair.with_ in table.problems and pair.without in table.problems
        ]
        for found in contrast_property(table, name, known) if known else ():
            ends = found.estimate.interval(0.05) if found.estimate else None
            center = found.estimate.center if found.estimate else float(np.mean(found.changes))
            yield ContrastFinding(
                property=name,
                optimizer=found.optimizer,
                changes={problem: 2.0**change for (problem, _), change in zip(known, found.changes, strict=True)},
                families=len(set(found.families)),
                factor=2.0**center,
                low=None if ends is None else 2.0 ** ends[0],
                high=None if ends is None else 2.0 ** ends[1],
            )


def _describe_notes(notes: Mapping[str, Sequence[str]]) -> list[str]:
    """Return why pairs were not compiled, each reason once."""
    found = []
    for note, where in notes.items():
        rest = f" and {len(where) - 1} more" if len(where) > 1 else ""
        found.append(f"{where[0]}{rest}: {note}")
    return found
