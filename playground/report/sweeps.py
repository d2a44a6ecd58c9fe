"""A sweep in a terminal: a line for each point, the best, and where the rest of the numbers are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from playground.figures.numbers import duration, short
from playground.report.layout import lined_up, rule, styled
from playground.report.one_run import COLOURS, expectation_lines
from playground.result import Status, Summary, Sweep, Verdict

if TYPE_CHECKING:
    from rich.text import Text

SHOWN = 40
"""Points that the table has at most; of more, the best."""

ENDS = (Status.DIVERGED, Status.NONFINITE, Status.ERROR, Status.STALLED, Status.CONVERGED)
"""Statuses that have a column when they occur."""


def blocks(sweep: Sweep, width: int) -> Iterator[list[Text]]:
    """Yield what a sweep has to show, from above to below."""
    yield list(_head(sweep))
    yield _table(sweep, width)
    if sweep.best and len(sweep.summaries) > 1:
        yield list(_best(sweep))
    if sweep.expectations:
        yield expectation_lines(sweep.expectations, width)


def _head(sweep: Sweep) -> Iterator[Text]:
    """Tell how many runs there are, what computed them, and why not otherwise."""
    points = f"{len(sweep.summaries)} points × {sweep.seeds} seeds" if sweep.axes else f"{sweep.seeds} seeds"
    yield styled(("runs    ", "dim"), f"{sweep.runs:,} of {sweep.size:,}: {points}")
    engines = ", ".join(f"{engine} {count:,}" for engine, count in sweep.engines.items())
    stored = sweep.runs - sweep.computed
    parts = [engines, f"{stored:,} were stored already" if stored else ""]
    yield styled(("engine  ", "dim"), "; ".join(filter(None, parts)))
    for note in sweep.notes:
        yield styled(("        one after the other: ", "dim"), note)
    for reason in sweep.stale[:3]:
        yield styled(("        stored runs not used: ", "dim"), reason)


def _table(sweep: Sweep, width: int) -> list[Text]:
    """Return a line for each point: its values, the share that passed, the quartiles of the last loss, bad ends."""
    summaries = _chosen(sweep)
    ends = [status for status in ENDS if any(status in summary.statuses for summary in summaries)]
    judged = any(summary.passed is not None for summary in summaries)
    columns: list[tuple[str, list[str]]] = [
        (axis, [_value(summary.values.get(axis)) for summary in summaries]) for axis in sweep.axes
    ]
    if judged:
        columns.append(
            ("passed", [f"{summary.share:.1%}" if summary.share is not None else "" for summary in summaries])
        )
        columns.append(("95 % interval", [_interval(summary) for summary in summaries]))
    for name in ("low", "median", "high"):
        head = {"low": "loss ¼", "median": "median", "high": "¾"}[name]
        columns.append((head, [short(getattr(summary.loss, name), 3) for summary in summaries]))
    columns += [(str(status), [_end(summary, status) for summary in summaries]) for status in ends]
    rows = [
        [styled((name, "dim")) for name, _ in columns],
        *map(list, zip(*(cells for _, cells in columns), strict=True)),
    ]
    head_line, *lines = lined_up(rows, right=range(len(columns)), give=0, width=width)
    left = len(sweep.summaries) - len(summaries)
    rest = (
        [styled((f"… and {left:,} more points; `playground results show {sweep.id[:12]}` has them", "dim"))]
        if left
        else []
    )
    return [head_line, rule(head_line, *lines), *lines, *rest]


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
    return f"{low:.1%} – {high:.1%}"


def _end(summary: Summary, status: Status) -> str:
    """Return how many ended so, and the median step at which they did."""
    count = summary.statuses.get(status, 0)
    return f"{count} @ {summary.steps[status]:.0f}" if count else ""


def _best(sweep: Sweep) -> Iterator[Text]:
    first, *others = sweep.best
    values = ", ".join(f"{axis} = {_value(value)}" for axis, value in first.values.items())
    share = "" if first.share is None else f"{first.share:.1%} passed, "
    tie = f"  (a tie with {len(others)} more)" if others else ""
    yield styled(("best    ", "dim"), (values, "bold"), f": {share}median loss {short(first.loss.median)}{tie}")


def ending(sweep: Sweep) -> Iterator[Text]:
    """Yield the verdict, and where the runs are."""
    word = {Verdict.NONE: "not judged"}.get(sweep.verdict, str(sweep.verdict))
    if sweep.interrupted:
        word = "interrupted"
    told = f"  {sweep.computed:,} runs computed" if sweep.computed else "  nothing had to be computed"
    yield styled((word, f"bold {COLOURS[sweep.verdict]}"), told, (f"  {duration(sweep.seconds)}", "dim"))
    again = "; the same command goes on where this one stopped" if sweep.interrupted else ""
    yield styled((f"  sweep {sweep.id[:12]} in {sweep.store}{again}", "dim"))
