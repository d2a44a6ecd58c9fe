"""Shows a run, a sweep or a comparison in a notebook: one line, or HTML without scripts, for light and dark pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from playground.figures.curve import ScaledCurve, scale_curve
from playground.figures.factors import (
    LIMITS,
    VERDICT_SIGNS,
    count_things,
    format_factor,
    format_factor_interval,
    format_factor_range,
    name_pair,
)
from playground.figures.numbers import format_brief, format_column, format_duration, format_short
from playground.figures.text import cut_text, make_printable

if TYPE_CHECKING:
    from playground.comparison import Comparison, EffectFinding
    from playground.result import Diagnosis, Expectation, ResultTable, Run, Sweep

WIDTH, HEIGHT = 400, 90
"""Size of the curve, in pixels."""

MAX_TABLE_ROWS = 10
"""Maximum number of table rows."""

MAX_VALUE_CHARACTERS = 120
"""Maximum number of characters of one value."""

VERDICT_COLOURS = {"passed": "#2a9d58", "failed": "#d64545"}
"""Colours of marks and verdicts, readable on white and on black."""

TABLE_STYLE = "border:none;margin:6px 0;color:inherit;font-size:inherit"
FAINT_STYLE = "opacity:.65"
CELL_STYLE = "text-align:left;padding:1px 14px 1px 0;background:none;border:none;white-space:nowrap"
NUMBER_STYLE = CELL_STYLE.replace("left", "right")
_WRAPPED_STYLE = CELL_STYLE.replace("nowrap", "normal") + ";vertical-align:top"
PAIR_STYLES = (
    f"{_WRAPPED_STYLE};min-width:5rem;overflow-wrap:anywhere",
    f"{_WRAPPED_STYLE};min-width:8rem;overflow-wrap:break-word",
)
"""Of names and their values, both of which may be long."""

SCROLL_STYLE = "overflow-x:auto;max-width:100%"
"""Of what may be wider than a phone."""

FRAGMENT_STYLE = "font-size:13px;line-height:1.5;overflow-wrap:anywhere"


def run_line(run: Run) -> str:
    """Return scenario, verdict, ending and loss of a run."""
    loss = f", loss {format_short(run.loss.first)} → {format_short(run.loss.last)}" if run.loss else ""
    return make_printable(f"{run.scenario}: {_verdict_word(run.verdict)}, {run.ending[0]}{loss}")


def sweep_line(sweep: Sweep) -> str:
    """Return scenario, verdict, number of runs and best setting of a sweep."""
    best = f", best at {_setting(sweep.best[0].values)}" if sweep.best and sweep.axes else ""
    return make_printable(f"{sweep.scenario}: {_verdict_word(sweep.verdict)}, {_size(sweep)}{best}")


def html(run: Run) -> str:
    """Return a run's summary, verdict, setup, loss, parameters, expectations and table."""
    return _fragment(_blocks(run))


def sweep_html(sweep: Sweep) -> str:
    """Return a sweep's verdict, expectations, a table of its first settings, and the location of its runs."""
    return _fragment(_sweep_blocks(sweep))


def comparison_line(comparison: Comparison) -> str:
    """Return the verdict on each pair that a comparison quotes."""
    found = ", ".join(
        f"{each.headline.word} ({name_pair(comparison, each)} {format_factor(each.headline.factor)})"
        for each in comparison.pairs
    )
    return make_printable(f"{comparison.scenario}: {found}")


def comparison_html(comparison: Comparison) -> str:
    """Return the verdicts of a comparison as a table, what would decide them, and the expectations."""
    return _fragment(_comparison_blocks(comparison))


def _fragment(blocks: Iterable[str]) -> str:
    return f'<div style="{FRAGMENT_STYLE}">{"".join(blocks)}</div>'


def _sweep_blocks(sweep: Sweep) -> Iterator[str]:
    yield f"<div><b>{_text(sweep.scenario)}</b>&ensp;a sweep</div>"
    state = "interrupted&ensp;" if sweep.interrupted else ""
    took = _fade_text(format_duration(sweep.seconds))
    yield f"<div>{_verdict(sweep)}&ensp;{state}{_text(_size(sweep))}&ensp;{took}</div>"
    yield _settings(sweep)
    if len(sweep.summaries) > MAX_TABLE_ROWS:
        yield f"<div>{_fade_text(f'the first {MAX_TABLE_ROWS} of {len(sweep.summaries):,} settings')}</div>"
    if sweep.best and sweep.axes:
        tie = f" (a tie with {len(sweep.best) - 1:,} more)" if len(sweep.best) > 1 else ""
        best = _text(cut_text(_setting(sweep.best[0].values), MAX_VALUE_CHARACTERS))
        yield f"<div>{_fade_text('best')} {best}{_fade_text(tie)}</div>"
    yield _expectations(sweep.expectations)
    yield f"<div>{_fade_text(f'sweep {sweep.id[:12]} in {sweep.store}')}</div>"


def _comparison_blocks(comparison: Comparison) -> Iterator[str]:
    first, *others = comparison.optimizers
    suite = f"{comparison.suite['name']}, {count_things(comparison.families, 'family', 'families')}"
    against = _text(f"compared with {', '.join(others)}")
    yield f"<div><b>{_text(first)}</b>&ensp;{against}&ensp;{_fade_text(suite)}</div>"
    if comparison.interrupted:
        yield "<div>interrupted</div>"
    yield _effects(comparison)
    for reason in dict.fromkeys(pair.refusal for pair in comparison.pairs if pair.refusal):
        yield f"<div>{_text(reason)}</div>"
    yield _pairs({f"to decide {name_pair(comparison, pair)}": pair.more for pair in comparison.pairs if pair.more})
    yield _expectations(comparison.expectations)
    look = f"look {comparison.protocol.look}, α {comparison.protocol.alpha:g} of {comparison.protocol.total_alpha:g}"
    yield f"<div>{_fade_text(f'{look}; {LIMITS}')}</div>"


def _effects(comparison: Comparison) -> str:
    """Return a row for each pair: factor, interval and verdict, on problems like these and on the suite."""
    judged = [pair.like_these for pair in comparison.pairs if pair.like_these is not None]
    heads = ["evaluations relative to", *(["on problems like these"] if judged else []), "on this suite", "new problem"]
    rows = [
        [
            _text(name_pair(comparison, pair)),
            *([_effect(pair.like_these)] if judged else []),
            _effect(pair.suite),
            _text(format_factor_range(*pair.new_problem)) if pair.new_problem else "",
        ]
        for pair in comparison.pairs
    ]
    return _rows([list(map(_fade_text, heads)), *rows])


def _effect(effect: EffectFinding | None) -> str:
    if effect is None:
        return "–"
    factor = f"{format_factor(effect.factor)} {format_factor_interval(effect.low, effect.high)}"
    return f"{_text(factor)} <b>{_text(f'{VERDICT_SIGNS[effect.word]} {effect.text}')}</b>"


def _settings(sweep: Sweep) -> str:
    """Return a row for each setting: its values, the share that passed, and quartiles of the last loss."""
    shown = sweep.summaries[:MAX_TABLE_ROWS]
    parts = {axis: [format_short(each.values.get(axis)) for each in shown] for axis in sweep.axes}
    parts["runs"] = [f"{each.runs:,}" for each in shown]
    if any(each.passed is not None for each in shown):
        parts["passed"] = ["" if each.share is None else f"{each.share:.1%}" for each in shown]
    for index, head in enumerate(("loss ¼", "median", "loss ¾")):
        parts[head] = [format_short(each.loss[index], 3) for each in shown]
    body = ([_text(cut_text(cell, MAX_VALUE_CHARACTERS)) for cell in row] for row in zip(*parts.values(), strict=True))
    return _rows([[_fade_text(name) for name in parts], *body], (NUMBER_STYLE,))


def _setting(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{axis} = {format_short(value)}" for axis, value in values.items())


def _size(sweep: Sweep) -> str:
    return f"{sweep.runs:,} runs" if sweep.runs == sweep.size else f"{sweep.runs:,} of {sweep.size:,} runs"


def _verdict_word(verdict: str) -> str:
    return "not judged" if verdict == "none" else str(verdict)


def _blocks(run: Run) -> Iterator[str]:
    """Yield the blocks of a run from top to bottom."""
    how, *why = run.ending
    yield f"<div><b>{_text(run.scenario)}</b>&ensp;{_text(run.summary)}</div>"
    yield f"<div>{_verdict(run)}&ensp;{_text(how)}&ensp;{_fade_text(format_duration(run.seconds))}</div>"
    yield from (f"<div>{_text(reason)}</div>" for reason in why)
    yield from map(_diagnosis, run.diagnoses)
    seed = {} if run.loss is None or run.seed is None else {"seed": str(run.seed)}
    yield _pairs({"task": run.task, **run.setup, **seed})
    if run.loss is not None:
        first, last = format_short(run.loss.first), format_short(run.loss.last)
        yield f"<div>{_fade_text('loss')} {first} → <b>{last}</b></div>"
    if drawn := scale_curve(run.losses):
        yield _curve(drawn)
    yield _pairs(
        {name: format_brief(value, MAX_VALUE_CHARACTERS) for name, value in {**run.parameters, **run.metrics}.items()}
    )
    yield _expectations(run.expectations)
    if run.table is not None:
        yield _table(run.table)


def _diagnosis(diagnosis: Diagnosis) -> str:
    """Return a finding with its line and its remedy."""
    place = f"{_fade_text(diagnosis.place)} " if diagnosis.place else ""
    name, remedy = _colour_text(diagnosis.name, "failed"), _fade_text(diagnosis.remedy)
    return f"<div>{place}{name}: {_text(diagnosis.sentence)}<br>{remedy}</div>"


def _text(text: str) -> str:
    return escape(make_printable(text))


def _verdict(result: Run | Sweep) -> str:
    word = _verdict_word(result.verdict)
    return _colour_text(word, str(result.verdict)) if result.verdict in VERDICT_COLOURS else f"<b>{word}</b>"


def _fade_text(text: str) -> str:
    return f'<span style="{FAINT_STYLE}">{_text(text)}</span>'


def _colour_text(text: str, verdict: str) -> str:
    return f'<b style="color:{VERDICT_COLOURS[verdict]}">{_text(text)}</b>'


def _pairs(parts: Mapping[str, str]) -> str:
    """Return names and values in two columns."""
    rows = ([_fade_text(name), _text(cut_text(value, MAX_VALUE_CHARACTERS))] for name, value in parts.items())
    return _rows(rows, PAIR_STYLES)


def _expectations(expectations: Sequence[Expectation]) -> str:
    """Return each expectation with its mark, the measured value, and its note."""
    return _rows(
        [
            _colour_text("✔", "passed") if expectation.passed else _colour_text("✘", "failed"),
            _text(cut_text(expectation.what, MAX_VALUE_CHARACTERS)),
            _text(format_brief(expectation.value, MAX_VALUE_CHARACTERS)),
            _fade_text(expectation.note),
        ]
        for expectation in expectations
    )


def _table(table: ResultTable) -> str:
    """Return the first rows of a table, with its header."""
    rows = table.rows[:MAX_TABLE_ROWS]
    columns = [format_column([row[index] for row in rows]) for index in range(len(table.columns))]
    body = ([_text(cut_text(cell, MAX_VALUE_CHARACTERS)) for cell in row] for row in zip(*columns, strict=True))
    return _rows([[_fade_text(name) for name in table.columns], *body], (NUMBER_STYLE,))


def _rows(rows: Iterable[Sequence[str]], styles: Sequence[str] = (CELL_STYLE,)) -> str:
    """Return a table of cells that are already HTML; empty if there are no rows.

    :param styles: of the columns; the last one is also that of all further columns.
    """
    lines = [
        "".join(_cell(cell, styles[min(place, len(styles) - 1)]) for place, cell in enumerate(row)) for row in rows
    ]
    body = "".join(f'<tr style="background:none">{line}</tr>' for line in lines)
    return f'<div style="{SCROLL_STYLE}"><table style="{TABLE_STYLE}">{body}</table></div>' if lines else ""


def _cell(content: str, style: str) -> str:
    return f'<td style="{style}">{content}</td>'


def _curve(drawn: ScaledCurve) -> str:
    """Return a curve as SVG in the page's text colour, with the range of its values beside it."""
    scale = " (log scale)" if drawn.logarithmic else ""
    lines = "".join(f'<polyline points="{points}"/>' for points in _polylines(drawn))
    title = (
        f"{format_short(drawn.bottom, 3)} to {format_short(drawn.top, 3)}{scale}, steps 0 to {len(drawn.heights) - 1}"
    )
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="-2 -2 {WIDTH + 4} {HEIGHT + 4}" role="img" '
        f'style="max-width:100%;height:auto" fill="none" stroke="currentColor" stroke-width="1.5" '
        f'stroke-linejoin="round">'
        f'<title>{title}</title><path d="M0 0V{HEIGHT}H{WIDTH}" stroke-opacity=".3"/>{lines}</svg>'
        f"<div>{_fade_text(title)}</div>"
    )


def _polylines(drawn: ScaledCurve) -> Iterator[str]:
    """Yield the points of each unbroken part of a curve: the lowest and highest one for each pixel column."""
    points: list[str] = []
    for x, heights in enumerate(drawn.buckets(WIDTH + 1)):
        if heights:
            points += [f"{x},{(1 - height) * HEIGHT:.1f}" for height in sorted({min(heights), max(heights)})]
        elif points:
            yield " ".join(points)
            points = []
    if points:
        yield " ".join(points)
