"""Formats one run in full, as lines for a terminal, block by block."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from playground.figures.curve import ScaledCurve, scale_curve
from playground.figures.numbers import (
    format_brief,
    format_column,
    format_duration,
    format_matrix,
    format_short,
    is_too_large,
    nested_shape,
    summarize,
)
from playground.figures.text import cut_text
from playground.report.braille import draw
from playground.report.derivatives import v_curve
from playground.report.layout import (
    COLUMN_GAP,
    MIN_COLUMN_WIDTH,
    READABLE_WIDTH,
    UNLIMITED_WIDTH,
    align_columns,
    console_text,
    rule,
    style_text,
)
from playground.result import Expectation, Loss, ResultTable, Run, Status, Validation, Verdict

if TYPE_CHECKING:
    from rich.text import Text

VERDICT_COLOURS = {Verdict.PASSED: "green", Verdict.FAILED: "red", Verdict.NONE: "yellow"}

CHART_WIDTH = 64
"""Width of a chart in characters; a narrow terminal gets less."""

MAX_TABLE_ROWS = 10
"""Maximum number of table rows."""

MAX_CELL_CHARACTERS = 24
"""Maximum number of characters of a name or a table cell."""

MAX_MATRIX_ROWS = 8
"""Maximum number of rows of a parameter; a longer one is summarized by its shape."""


def run_blocks(run: Run, width: int) -> Iterator[list[Text]]:
    """Yield the blocks of a run from top to bottom, in lines of at most `width` characters.

    :param width: maximum width; a line may be longer if it can be cut at the right without harm.
    """
    yield _setup(run, width)
    if run.loss is not None:
        yield _loss(run.loss, run.losses, width)
    if run.trace.validation is not None:
        yield _validation(run.trace.validation)
    if run.parameters:
        yield _tensor_block(run.parameters, width)
    if run.table is not None:
        yield _table(run.table, _count(run), width)
    if run.metrics:
        yield _tensor_block(run.metrics, width)
    if (drawn := v_curve(run.points)) is not None:
        yield _error_curve(*drawn, width)
    if run.expectations:
        yield expectation_lines(run.expectations, width)


def ending(run: Run) -> Iterator[Text]:
    """Yield a line with the verdict and the ending, and a line for each reason."""
    how, *why = run.ending
    verdict = (_verdict(run), f"bold {VERDICT_COLOURS[run.verdict]}")
    yield style_text(verdict, f"  {how}  ", (format_duration(run.seconds), "dim"))
    yield from map(style_text, why)


def diagnosis_lines(run: Run) -> Iterator[Text]:
    """Yield each diagnosis with its remedy."""
    for diagnosis in run.diagnoses:
        place = f"{diagnosis.place}: " if diagnosis.place else ""
        yield style_text((f"{diagnosis.name}: ", "bold yellow"), f"{place}{diagnosis.sentence}")
        yield style_text(("remedy: ", "bold green"), diagnosis.remedy)


def _verdict(run: Run) -> str:
    """Return the verdict in words; a run without one was interrupted or has no expectations."""
    if run.verdict is not Verdict.NONE:
        return str(run.verdict)
    return "not judged" if run.status is Status.INTERRUPTED else "nothing expected"


def _setup(run: Run, width: int) -> list[Text]:
    """Return the components; the seed only if the run descends."""
    seed = {} if run.loss is None or run.seed is None else {"seed": str(run.seed)}
    parts = {"task": run.task, **run.setup, **seed}
    room = _room_beside_names(parts, width)
    return _name_lines({_name(name, width): _wrap_text(value, room) for name, value in parts.items()})


def _name_lines(parts: Mapping[str, Sequence[str]]) -> list[Text]:
    """Return names and their lines in two columns."""
    rows = []
    for name, (first, *others) in parts.items():
        rows.append((style_text((name, "dim")), first))
        rows += [(style_text(), line) for line in others]
    return align_columns(rows)


def _room_beside_names(parts: Mapping[str, Any], width: int) -> int:
    """Return the width that remains beside the names."""
    names = max(len(_name(name, width)) for name in parts)
    return max(MIN_COLUMN_WIDTH, min(width, READABLE_WIDTH) - COLUMN_GAP - names)


def _name(text: str, width: int) -> str:
    """Return a name, cut if it is too long for a terminal."""
    return (
        console_text(text)
        if width >= UNLIMITED_WIDTH - READABLE_WIDTH
        else cut_text(console_text(text), MAX_CELL_CHARACTERS)
    )


def _wrap_text(text: str, room: int) -> list[str]:
    return textwrap.wrap(console_text(text), room) or [""]


def _loss(loss: Loss, values: Sequence[float], width: int) -> list[Text]:
    """Return the first and last loss, and its curve."""
    headline = style_text(("loss", "dim"), f"  {format_short(loss.first)} → ", (format_short(loss.last), "bold"))
    if not loss.best >= loss.last:  # also true if one of them is nan
        headline += style_text((f"  best {format_short(loss.best)}", "dim"))
    drawn = scale_curve(values)
    if drawn is None:
        return [headline]
    last = str(len(drawn.heights) - 1)
    notes = ["log scale"] * drawn.logarithmic + [f"unchanged after step {last}"] * drawn.unchanged
    return [headline, *_chart(drawn, width, "step 0", ", ".join(notes), last)]


def _validation(found: Validation) -> list[Text]:
    """Return the change of each measure on held-out data, and the measured step with the least loss."""
    rows = []
    for name, values in found.values.items():
        row = style_text((f"{name}", "dim"), f"  {format_short(values[0])} → ", (format_short(values[-1]), "bold"))
        least = min(range(len(values)), key=lambda index: (values[index] != values[index], values[index]))
        if name == "validation_loss" and values[least] < values[-1]:
            row += style_text((f"  least {format_short(values[least])} at step {found.steps[least]}", "dim"))
        rows.append(row)
    return rows


def _error_curve(title: str, steps: Sequence[float], errors: Sequence[float], width: int) -> list[Text]:
    """Return the V-curve of central differences: rounding error at the left, truncation error at the right."""
    headline = style_text(("central differences", "dim"), f"  their error by the step h, {title}")
    drawn = scale_curve(errors)
    if drawn is None:
        return [headline + style_text(f": {format_short(max(errors), 3)} at every h")]
    return [headline, *_chart(drawn, width, f"h {steps[0]:.0e}", "log scale", f"{steps[-1]:.1g}")]


def _chart(drawn: ScaledCurve, width: int, left: str, middle: str, right: str) -> list[Text]:
    """Return a curve with its axes, and labels at both ends and in the middle of the lower axis."""
    edges = {0: format_short(drawn.top, 3), -1: format_short(drawn.bottom, 3)}
    margin = max(map(len, edges.values()))
    across = max(10, min(CHART_WIDTH, width - margin - 2))
    rows = draw(drawn, across)
    labels = [edges[0], *[""] * (len(rows) - 2), edges[-1]]
    lines = [
        style_text((f"{label:>{margin}} {'┤' if label else '│'}", "dim"), (row, "cyan"))
        for label, row in zip(labels, rows, strict=True)
    ]
    room = across - len(left) - len(right)
    return [*lines, style_text((f"{' ' * (margin + 2)}{left}{middle:^{room}}{right}", "dim"))]


def _tensor_block(tensors: Mapping[str, Any], width: int) -> list[Text]:
    """Return numbers by name: a matrix in several lines, a larger tensor by its shape and range."""
    room = _room_beside_names(tensors, width)
    return _name_lines({_name(name, width): _tensor(value, room) for name, value in tensors.items()})


def _tensor(value: Any, room: int) -> list[str]:
    """Return nested lists of numbers as lines that fit."""
    if not isinstance(value, list):
        return _wrap_text(format_short(value), room)
    size = nested_shape(value)
    if len(size) != 2 or not size[1] or not 1 < size[0] <= MAX_MATRIX_ROWS or is_too_large(value, room * size[0]):
        return [format_brief(value, room)]
    lines = format_matrix(value)
    return lines if max(map(len, lines)) <= room else [summarize(value)]


def _table(table: ResultTable, total: int, width: int) -> list[Text]:
    """Return a table with its header, numbers right-aligned; leaves out columns in the middle if they do not fit."""
    rows = table.rows[:MAX_TABLE_ROWS]
    columns = [_column(name, [row[index] for row in rows], width) for index, name in enumerate(table.columns)]
    kept = _choose_columns([max(map(len, texts)) for texts, _ in columns], width)
    drawn = [columns[index] if index >= 0 else (["…"] * (len(rows) + 1), False) for index in kept]
    right = {place for place, (_, numeric) in enumerate(drawn) if numeric}
    head, *body = align_columns(zip(*(texts for texts, _ in drawn), strict=True), right)
    head.stylize("dim")
    gone = [name for index, name in enumerate(table.columns) if index not in kept]
    notes = [f"not enough width for: {', '.join(gone)}"] if gone else []
    notes += [f"the first {len(rows)} of {total}"] if total > len(rows) else []
    more = [style_text((line, "dim")) for note in notes for line in _wrap_text(note, width)]
    return [head, rule(head, *body), *body, *more]


def _column(name: str, values: Sequence[Any], width: int) -> tuple[list[str], bool]:
    """Return a column's texts, its name first, and whether it contains numbers."""
    numeric = not any(isinstance(value, str) and value for value in values)
    return [_name(text, width) for text in (name, *format_column(values))], numeric


def _choose_columns(widths: Sequence[int], width: int) -> list[int]:
    """Return the indices of columns that fit, from both ends; -1 marks those left out in the middle."""
    kept = list(range(len(widths)))
    if sum(widths) + COLUMN_GAP * (len(widths) - 1) <= width:
        return kept
    while len(kept) > 2 and sum(widths[index] for index in kept) + COLUMN_GAP * len(kept) + 1 > width:
        del kept[(len(kept) - 1) // 2]
    middle = (len(kept) + 1) // 2
    return [*kept[:middle], -1, *kept[middle:]]


def _count(run: Run) -> int:
    """Return the number of rows of the complete table."""
    rows = len(run.table.rows) if run.table else 0
    return max(rows, len(run.predictions)) if isinstance(run.predictions, list) else rows


def expectation_lines(expectations: Sequence[Expectation], width: int) -> list[Text]:
    """Return each expectation with its mark, the measured value, and its note below."""
    rows = []
    for expectation in expectations:
        mark = style_text(("✔", "green") if expectation.passed else ("✘", "red"))
        measured = style_text((cut_text(format_short(expectation.value), width // 2), "bold"))
        rows.append((mark, expectation.what, measured))
    lines = align_columns(rows, give=1, width=width)
    notes = [_wrap_text(expectation.note, width - 3) if expectation.note else [] for expectation in expectations]
    return [
        line
        for judged, note in zip(lines, notes, strict=True)
        for line in (judged, *(style_text((f"   {part}", "yellow")) for part in note))
    ]
