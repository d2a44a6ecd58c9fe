"""A sweep in a terminal: a line for each point, the best, and where the rest of the numbers are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from playground.figures.numbers import duration, short
from playground.report.layout import columns, styled
from playground.report.one_run import COLOURS, expectation_lines
from playground.result import Status, Summary, Sweep, Verdict

if TYPE_CHECKING:
    from rich.text import Text

Columns = Iterator[tuple[str, list[str]]]
"""Heads, each with its cells."""

NOTES = 4
"""Notes about engines that are shown."""

SHOWN = 40
"""Points that the table has at most; of more, the best."""

ENDS = (Status.DIVERGED, Status.NONFINITE, Status.ERROR, Status.STALLED, Status.CONVERGED)
"""Statuses that have a column when they occur."""


def blocks(sweep: Sweep, width: int) -> Iterator[list[Text]]:
    """Yield what a sweep has to show below its head, from above to below."""
    yield _table(sweep, width)
    if sweep.best and len(sweep.summaries) > 1:
        yield list(_best(sweep))
    if sweep.expectations:
        yield expectation_lines(sweep.expectations, width)


def head(sweep: Sweep) -> Iterator[Text]:
    """Tell how many runs there are, what computed them, and why not otherwise."""
    points = [_counted(len(sweep.summaries), "point")] if sweep.axes else []
    seeds = [_counted(sweep.seeds, "seed")] if sweep.seeds > 1 or not points else []
    yield styled(("runs    ", "dim"), f"{sweep.runs:,} of {sweep.size:,}: {' × '.join(points + seeds)}")
    engines = ", ".join(f"{engine} {count:,}" for engine, count in sweep.engines.items())
    stored = sweep.runs - sweep.computed
    parts = [engines, f"{stored:,} were stored already" if stored else ""]
    yield styled(("engine  ", "dim"), "; ".join(filter(None, parts)) or "–")
    for note in sweep.notes[:NOTES]:
        yield styled((f"        {note}", "dim"))
    if len(sweep.notes) > NOTES:
        yield styled((f"        … and {_counted(len(sweep.notes) - NOTES, 'more note')}", "dim"))
    for reason in sweep.stale[:3]:
        yield styled(("        stored runs not used: ", "dim"), reason)


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _table(sweep: Sweep, width: int) -> list[Text]:
    """Return a line for each point: its values, the share that passed, the quartiles of the last loss, bad ends."""
    summaries = _chosen(sweep)
    names = _names(sweep.axes)
    found = [(names[axis], [_value(summary.values.get(axis)) for summary in summaries]) for axis in sweep.axes]
    found += [*_passing(sweep, summaries), *_losses(sweep, summaries), *_ends(summaries), *_sensitive(summaries)]
    rows = map(list, zip(*(cells for _, cells in found), strict=True))
    lines = columns([name for name, _ in found], rows, range(len(found)), width)
    left = len(sweep.summaries) - len(summaries)
    told = f"… and {left:,} more points; `playground results show {sweep.id[:12]}` has their runs"
    return [*lines, *([styled((told, "dim"))] if left else [])]


def _passing(sweep: Sweep, summaries: Sequence[Summary]) -> Columns:
    """Return the share that passed, and Wilson's interval where several runs say more than one."""
    if all(summary.passed is None for summary in summaries):
        return
    yield "passed", [f"{summary.share:.1%}" if summary.share is not None else "" for summary in summaries]
    if sweep.seeds > 1:
        yield "Wilson 95 %", [_interval(summary) for summary in summaries]


def _losses(sweep: Sweep, summaries: Sequence[Summary]) -> Columns:
    """Return quartiles of the last loss; of one run, the loss."""
    heads = {"low": "loss ¼", "median": "median", "high": "¾"} if sweep.seeds > 1 else {"median": "loss"}
    for name, head in heads.items():
        yield head, [short(getattr(summary.loss, name), 3) for summary in summaries]


def _ends(summaries: Sequence[Summary]) -> Columns:
    """Return for each status that occurs how many ended so, and when."""
    for status in ENDS:
        if any(status in summary.statuses for summary in summaries):
            yield str(status), [_end(summary, status) for summary in summaries]


def _sensitive(summaries: Sequence[Summary]) -> Columns:
    """Return how many are sensitive, where that was looked at."""
    if any(summary.sensitive is not None for summary in summaries):
        yield "sensitive", ["" if summary.sensitive is None else str(summary.sensitive) for summary in summaries]


def _names(axes: Sequence[str]) -> dict[str, str]:
    """Return what each axis is called in a head: its last part, unless two axes end alike."""
    ends = [axis.rpartition(".")[2] for axis in axes]
    return {axis: end if ends.count(end) == 1 else axis for axis, end in zip(axes, ends, strict=True)}


def _chosen(sweep: Sweep) -> Sequence[Summary]:
    """Return all points in their order, or the best of very many."""
    if len(sweep.summaries) <= SHOWN:
        return sweep.summaries
    ranked = sorted(sweep.summaries, key=lambda summary: (-(summary.share or 0.0), _rank(summary.loss.median)))
    return ranked[:SHOWN]


def _rank(median: float) -> float:
    return math.inf if math.isnan(median) else median


def _value(value: Any) -> str:
    return "–" if value is None else short(value)


def _interval(summary: Summary) -> str:
    if summary.interval is None:
        return ""
    low, high = summary.interval
    return f"{100 * low:.3g}–{100 * high:.3g} %"


def _end(summary: Summary, status: Status) -> str:
    """Return how many ended so, and the median step at which they did."""
    count = summary.statuses.get(status, 0)
    return f"{count} @ {summary.steps[status]:.0f}" if count else ""


def _best(sweep: Sweep) -> Iterator[Text]:
    first, *others = sweep.best
    names = _names(sweep.axes)
    values = ", ".join(f"{names[axis]} = {_value(value)}" for axis, value in first.values.items())
    share = "" if first.share is None else f"{first.share:.1%} passed, "
    tie = f"  (a tie with {len(others):,} more)" if others else ""
    loss = "median loss" if sweep.seeds > 1 else "loss"
    yield styled(("best    ", "dim"), (values, "bold"))
    yield styled(f"        {share}{loss} {short(first.loss.median)}{tie}")


def ending(sweep: Sweep) -> Iterator[Text]:
    """Yield the verdict, and where the runs are."""
    word = {Verdict.NONE: "not judged"}.get(sweep.verdict, str(sweep.verdict))
    if sweep.interrupted:
        word = "interrupted"
    told = f"  {sweep.computed:,} runs computed" if sweep.computed else "  nothing had to be computed"
    yield styled((word, f"bold {COLOURS[sweep.verdict]}"), told, (f"  {duration(sweep.seconds)}", "dim"))
    again = "; the same command goes on where this one stopped" if sweep.interrupted else ""
    yield styled((f"  sweep {sweep.id[:12]} in {sweep.store}{again}", "dim"))
