"""A run as HTML, for notebooks: one fragment without scripts that reads on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from playground.figures.curve import Curve, curve
from playground.figures.numbers import brief, column, duration, short
from playground.figures.text import cut, printable

if TYPE_CHECKING:
    from playground.result import Expectation, Run, Table

WIDTH, HEIGHT = 400, 90
"""Size of the curve, in pixels."""

ROWS = 10
"""Rows of a table that are shown."""

LONGEST = 120
"""Characters of one value that are shown."""

COLOURS = {"passed": "#2a9d58", "failed": "#d64545"}
"""Of marks and verdicts; both can be read on white and on black."""

TABLE = "border:none;margin:6px 0;color:inherit;font-size:inherit"
FAINT = "opacity:.65"
CELL = "text-align:left;padding:1px 14px 1px 0;background:none;border:none;white-space:nowrap"
NUMBER = CELL.replace("left", "right")


def html(run: Run) -> str:
    """Return a run's summary, verdict, setup, loss, parameters, expectations and table."""
    return f'<div style="font-size:13px;line-height:1.5">{"".join(_blocks(run))}</div>'


def _blocks(run: Run) -> Iterator[str]:
    """Yield what a run has to show, from above to below."""
    how, *why = run.ending
    yield f"<div><b>{_text(run.scenario)}</b>&ensp;{_text(run.summary)}</div>"
    yield f"<div>{_verdict(run)}&ensp;{_text(how)}&ensp;{_faint(duration(run.seconds))}</div>"
    yield from (f"<div>{_text(reason)}</div>" for reason in why)
    seed = {} if run.loss is None else {"seed": str(run.seed)}
    yield _pairs({"task": run.task, **run.setup, **seed})
    if run.loss is not None:
        first, last = short(run.loss.first), short(run.loss.last)
        yield f"<div>{_faint('loss')} {first} → <b>{last}</b></div>"
    if drawn := curve(run.losses):
        yield _curve(drawn)
    yield _pairs({name: brief(value, LONGEST) for name, value in {**run.parameters, **run.metrics}.items()})
    yield _expectations(run.expectations)
    if run.table is not None:
        yield _table(run.table)


def _text(text: str) -> str:
    return escape(printable(text))


def _verdict(run: Run) -> str:
    if run.verdict == "none":
        return "<b>not judged</b>"
    return _coloured(str(run.verdict), str(run.verdict))


def _faint(text: str) -> str:
    return f'<span style="{FAINT}">{_text(text)}</span>'


def _coloured(text: str, verdict: str) -> str:
    return f'<b style="color:{COLOURS[verdict]}">{_text(text)}</b>'


def _pairs(parts: Mapping[str, str]) -> str:
    """Return names and values in two columns."""
    return _rows([_faint(name), _text(cut(value, LONGEST))] for name, value in parts.items())


def _expectations(expectations: Sequence[Expectation]) -> str:
    """Return each expectation with its mark, what was measured, and what there is to add."""
    return _rows(
        [
            _coloured("✔", "passed") if expectation.passed else _coloured("✘", "failed"),
            _text(cut(expectation.what, LONGEST)),
            _text(brief(expectation.value, LONGEST)),
            _faint(expectation.note),
        ]
        for expectation in expectations
    )


def _table(table: Table) -> str:
    """Return the first rows of a table under its head."""
    rows = table.rows[:ROWS]
    columns = [column([row[index] for row in rows]) for index in range(len(table.columns))]
    body = ([_text(cut(cell, LONGEST)) for cell in row] for row in zip(*columns, strict=True))
    return _rows([[_faint(name) for name in table.columns], *body], NUMBER)


def _rows(rows: Iterable[Sequence[str]], style: str = CELL) -> str:
    """Return a table of cells that are HTML already; nothing when there is no row."""
    lines = ["".join(f'<td style="{style}">{cell}</td>' for cell in row) for row in rows]
    body = "".join(f'<tr style="background:none">{line}</tr>' for line in lines)
    return f'<table style="{TABLE}">{body}</table>' if lines else ""


def _curve(drawn: Curve) -> str:
    """Return a curve as SVG in the colour of the page's text, the values of its edges beside it."""
    scale = " (log scale)" if drawn.logarithmic else ""
    lines = "".join(f'<polyline points="{points}"/>' for points in _polylines(drawn))
    title = f"{short(drawn.bottom, 3)} to {short(drawn.top, 3)}{scale}, steps 0 to {len(drawn.heights) - 1}"
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="-2 -2 {WIDTH + 4} {HEIGHT + 4}" role="img" '
        f'fill="none" stroke="currentColor" stroke-width="1.5" stroke-linejoin="round">'
        f'<title>{title}</title><path d="M0 0V{HEIGHT}H{WIDTH}" stroke-opacity=".3"/>{lines}</svg>'
        f"<div>{_faint(title)}</div>"
    )


def _polylines(drawn: Curve) -> Iterator[str]:
    """Yield the points of each unbroken part of a curve: for each pixel across, its lowest and highest."""
    points: list[str] = []
    for x, heights in enumerate(drawn.buckets(WIDTH + 1)):
        if heights:
            points += [f"{x},{(1 - height) * HEIGHT:.1f}" for height in sorted({min(heights), max(heights)})]
        elif points:
            yield " ".join(points)
            points = []
    if points:
        yield " ".join(points)
