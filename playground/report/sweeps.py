"""Formats a sweep for a terminal: a line for each point, the best settings, and the location of the runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from playground.figures.numbers import format_duration, format_short
from playground.report.layout import columns, style_text
from playground.report.one_run import VERDICT_COLOURS, expectation_lines
from playground.report.ranking import Ranking, rank_settings, short_names
from playground.result import Status, Summary, Sweep, Verdict

if TYPE_CHECKING:
    from rich.text import Text

Columns = Iterator[tuple[str, list[str]]]
"""Column headers with their cells."""

MAX_ENGINE_NOTES = 4
"""Maximum number of notes about engines."""

HANGING_INDENT = 8
"""Width of the labels at the start of a line."""

MAX_TABLE_POINTS = 40
"""Maximum number of points in the table; of more points, the best are shown."""

LISTED_STATUSES = (Status.DIVERGED, Status.NONFINITE, Status.ERROR, Status.STALLED, Status.CONVERGED)
"""Statuses that have a column if they occur."""


def sweep_blocks(sweep: Sweep, width: int) -> Iterator[list[Text]]:
    """Yield the blocks of a sweep below its headline, from top to bottom."""
    if sweep.runs:
        yield _table(sweep, width)
    if ranking := rank_settings(sweep):
        yield list(_ranking_lines(ranking, width))
    if sweep.expectations:
        yield expectation_lines(sweep.expectations, width)


def sweep_head(sweep: Sweep) -> Iterator[Text]:
    """Yield the number of runs, the engines that computed them, and notes on the engines."""
    points = [_format_count(len(sweep.summaries), "point")] if sweep.axes else []
    seeds = [_format_count(sweep.seeds, "seed")] if sweep.seeds > 1 or not points else []
    yield style_text(("runs    ", "dim"), f"{sweep.runs:,} of {sweep.size:,}: {' × '.join(points + seeds)}")
    for components in sweep.variants.values():
        yield style_text(("with    ", "dim"), ", ".join(components))
    engines = ", ".join(f"{engine} {count:,}" for engine, count in sweep.engines.items())
    stored = sweep.runs - sweep.computed
    parts = [engines, f"{stored:,} were stored already" if stored else ""]
    yield style_text(("engine  ", "dim"), "; ".join(filter(None, parts)) or "–")
    for note in sweep.notes[:MAX_ENGINE_NOTES]:
        yield style_text((f"        {note}", "dim"))
    if len(sweep.notes) > MAX_ENGINE_NOTES:
        yield style_text((f"        … and {_format_count(len(sweep.notes) - MAX_ENGINE_NOTES, 'more note')}", "dim"))
    for reason in sweep.stale[:3]:
        yield style_text((f"        {reason}", "dim"))


def _format_count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _table(sweep: Sweep, width: int) -> list[Text]:
    """Return a line for each point: its values, the share that passed, quartiles of the last loss, bad endings."""
    summaries = _choose_points(sweep)
    names = short_names(sweep.axes)
    found = [(names[axis], [_value(summary.values.get(axis)) for summary in summaries]) for axis in sweep.axes]
    found += [
        *_pass_columns(sweep, summaries),
        *_loss_columns(sweep, summaries),
        *_status_columns(summaries),
    ]
    rows = map(list, zip(*(cells for _, cells in found), strict=True))
    lines = columns([name for name, _ in found], rows, range(len(found)), width)
    left = len(sweep.summaries) - len(summaries)
    note = f"… and {left:,} more points; `playground results show {sweep.id[:12]}` has their runs"
    return [*lines, *([style_text((note, "dim"))] if left else [])]


def _pass_columns(sweep: Sweep, summaries: Sequence[Summary]) -> Columns:
    """Return the share that passed, and Wilson's interval if a point has several runs."""
    if all(summary.passed is None for summary in summaries):
        return
    yield "passed", [f"{summary.share:.1%}" if summary.share is not None else "" for summary in summaries]
    if sweep.seeds > 1:
        yield "Wilson 95 %", [_interval(summary) for summary in summaries]


def _loss_columns(sweep: Sweep, summaries: Sequence[Summary]) -> Columns:
    """Return quartiles of the last loss; for a single run, its loss."""
    heads = {"low": "loss ¼", "median": "median", "high": "¾"} if sweep.seeds > 1 else {"median": "loss"}
    for name, head in heads.items():
        yield head, [format_short(getattr(summary.loss, name), 3) if summary.runs else "–" for summary in summaries]


def _status_columns(summaries: Sequence[Summary]) -> Columns:
    """Return, for each status that occurs, how many runs ended with it, and when."""
    for status in LISTED_STATUSES:
        if any(status in summary.statuses for summary in summaries):
            yield str(status), [_format_ending(summary, status) for summary in summaries]


def _choose_points(sweep: Sweep) -> Sequence[Summary]:
    """Return all points in order, or the best ones if there are too many."""
    if len(sweep.summaries) <= MAX_TABLE_POINTS:
        return sweep.summaries
    ranked = sorted(sweep.summaries, key=lambda summary: (-(summary.share or 0.0), _rank(summary.loss.median)))
    return ranked[:MAX_TABLE_POINTS]


def _rank(median: float) -> float:
    return math.inf if math.isnan(median) else median


def _value(value: Any) -> str:
    return "–" if value is None else format_short(value)


def _interval(summary: Summary) -> str:
    if summary.interval is None:
        return ""
    low, high = summary.interval
    return f"{100 * low:.3g}–{100 * high:.3g} %"


def _format_ending(summary: Summary, status: Status) -> str:
    """Return how many runs ended with a status, and their median step."""
    count = summary.statuses.get(status, 0)
    return f"{count} @ {summary.steps[status]:.0f}" if count else ""


def _ranking_lines(ranking: Ranking, width: int) -> Iterator[Text]:
    """Yield the best settings, a line for each of a tie, then their result and remarks."""
    settings = [*ranking.settings, *([f"… and {ranking.more:,} more"] if ranking.more else [])]
    lines: list[tuple[str, str]] = [(text, "bold") for text in settings]
    if ranking.word == "none":
        lines = [(ranking.result, "bold"), *((f"at {text}", "") for text in settings)]
    else:
        lines.append((ranking.result, ""))
    lines += [(ranking.choice, "dim")] if ranking.choice else []
    lines += [(remark, "yellow") for remark in ranking.remarks]
    for number, (text, style) in enumerate(lines):
        first = ranking.word if number == 0 else ""
        for row, part in enumerate(wrap(text, max(20, width - HANGING_INDENT)) or [""]):
            yield style_text(((first if row == 0 else "").ljust(HANGING_INDENT), "dim"), (part, style))


def ending(sweep: Sweep) -> Iterator[Text]:
    """Yield the verdict, and the location of the runs."""
    word = {Verdict.NONE: "not judged"}.get(sweep.verdict, str(sweep.verdict))
    outcome = f"{_format_count(sweep.computed, 'run')} computed" if sweep.computed else "nothing had to be computed"
    if sweep.interrupted:
        word, outcome = "interrupted", _describe_resume(sweep)
    yield style_text(
        (word, f"bold {VERDICT_COLOURS[sweep.verdict]}"), f"  {outcome}", (f"  {format_duration(sweep.seconds)}", "dim")
    )
    yield style_text((f"  sweep {sweep.id[:12]} in {sweep.store}", "dim"))


def _describe_resume(sweep: Sweep) -> str:
    """Describe what an interrupted sweep has stored, and how to compute the rest."""
    command = "the same command without --fresh" if sweep.fresh else "the same command"
    verb = "is" if sweep.runs == 1 else "are"
    return f"{sweep.runs:,} of {_format_count(sweep.size, 'run')} {verb} stored; run {command} to continue"
