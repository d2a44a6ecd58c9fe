"""What people see in a terminal: one run in full, several as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from playground.report.chart import draw
from playground.report.numbers import cut, duration, fixed, short
from playground.result import Batch, Expectation, Invalid, Loss, Run, Status, Verdict

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

COLOURS = {Verdict.PASSED: "green", Verdict.FAILED: "red", Verdict.NONE: "yellow"}
CHART_WIDTH = 64
ENTRIES = 24
"""Numbers of a parameter that are shown; a larger one is told by its shape."""


def write(results: Batch, path: Path) -> None:
    """Write to a file what would stand on the terminal, without colours."""
    from rich.console import Console

    with path.open("w", encoding="utf-8") as file:
        console = Console(file=file, width=100)
        show(results, console)
        show_errors(results.errors, console)


def show(batch: Batch, console: Console) -> None:
    """Print a batch: one run in full, several as a table with what failed below it."""
    if len(batch.runs) == 1 and not batch.errors:
        show_run(batch.runs[0], console)
        return
    if batch.runs:
        console.print(_overview(batch.runs))
    for run in batch.runs:
        for line in _complaints(run):
            console.print(line)
    console.print(_summary(batch))


def show_errors(errors: tuple[Invalid, ...], console: Console) -> None:
    """Print one line for each fault, beginning with a place that an editor can jump to."""
    for error in errors:
        console.print(_text(str(error)), soft_wrap=True)


def show_run(run: Run, console: Console) -> None:
    """Print one run: what was trained with what, the loss, parameters, predictions, expectations, the verdict."""
    from rich.padding import Padding

    console.print(_text((run.scenario, "bold"), f"  {run.summary}"))
    for part in _parts(run):
        console.print()
        console.print(Padding(part, (0, 0, 0, 2)))
    console.print()
    console.print(_ending(run))


def _parts(run: Run) -> Iterator[RenderableType]:
    """Yield what a run has to show, from above to below."""
    yield _setup(run)
    if run.loss is not None:
        yield _loss(run.loss, run.trace.loss)
    if run.parameters:
        yield _parameters(run)
    if run.table is not None:
        yield _table(run.table.columns, run.table.rows, run.predictions)
    if run.metrics:
        yield _metrics(run)
    if run.expectations:
        yield _expectations(run.expectations)


def _text(*parts: str | tuple[str, str]) -> Text:
    """Return text in which square brackets mean nothing."""
    from rich.text import Text

    return Text.assemble(*parts)


def _pairs(rows: Mapping[str, str]) -> Table:
    """Return names and values in two columns."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        grid.add_row(_text((name, "dim")), _text(value))
    return grid


def _setup(run: Run) -> Table:
    return _pairs({"task": run.task, **run.setup, "seed": str(run.seed)})


def _loss(loss: Loss, values: tuple[float, ...]) -> RenderableType:
    """Return the loss before and after, and its fall as a curve."""
    from rich.table import Table

    headline = _text(("loss  ", "dim"), f"{short(loss.first)} → ", (short(loss.last), "bold"))
    if loss.best < loss.last:
        headline.append(f"  (best {short(loss.best)})")
    chart = draw([*values, loss.last], CHART_WIDTH)
    if chart is None:
        return headline
    grid = Table.grid(padding=(0, 1))
    grid.title, grid.title_justify, grid.title_style = headline, "left", ""
    for index, row in enumerate(chart.rows):
        edge = {0: short(chart.top, 3), len(chart.rows) - 1: short(chart.bottom, 3)}.get(index, "")
        grid.add_row(_text((f"{edge:>9}", "dim")), _text((row, "cyan")))
    axis = f"step 0{f'{len(values)}' + (', log scale' if chart.logarithmic else ''):>{CHART_WIDTH - 6}}"
    grid.add_row("", _text((axis, "dim")))
    return grid


def _parameters(run: Run) -> Table:
    return _pairs({name: _tensor(value) for name, value in run.parameters.items()})


def _tensor(value: object) -> str:
    shape, inner = [], value
    while isinstance(inner, list):
        shape.append(len(inner))
        inner = inner[0] if inner else None
    entries = 1
    for length in shape:
        entries *= length
    return short(value) if entries <= ENTRIES else f"{' × '.join(map(str, shape))} numbers"


def _table(columns: tuple[str, ...], rows: tuple[tuple[object, ...], ...], predictions: object) -> Table:
    """Return inputs, targets and predictions side by side."""
    table = _framed(*columns)
    for row in rows:
        table.add_row(*(_text(fixed(value)) for value in row))
    if isinstance(predictions, list) and len(predictions) > len(rows):
        table.caption, table.caption_justify = f"the first {len(rows)} of {len(predictions)} samples", "left"
    return table


def _framed(*columns: str, left: tuple[str, ...] = ()) -> Table:
    """Return a table with a line below its head; numbers stand to the right."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(_text(column), justify="left" if column in left else "right", no_wrap=True)
    return table


def _metrics(run: Run) -> Table:
    return _pairs({name: cut(short(value), 80) for name, value in run.metrics.items()})


def _expectations(expectations: tuple[Expectation, ...]) -> Table:
    """Return each expectation with its mark and what was measured."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    for _ in range(3):
        grid.add_column(no_wrap=True, overflow="ellipsis")
    for expectation in expectations:
        mark = _text(("✔", "green") if expectation.passed else ("✘", "red"))
        grid.add_row(mark, _text(expectation.what), _text((short(expectation.value), "bold")))
        if expectation.note:
            grid.add_row("", _text((expectation.note, "yellow")))
    return grid


def _ending(run: Run) -> Text:
    """Return the verdict and why the run ended."""
    word = {Verdict.NONE: "nothing expected"}.get(run.verdict, str(run.verdict))
    how = {Status.BUDGET: f"all {run.steps} steps used", Status.ERROR: run.reason}.get(
        run.status, f"{run.status}: {run.reason}"
    )
    return _text((word, f"bold {COLOURS[run.verdict]}"), f"  {how}", (f"  {duration(run.seconds)}", "dim"))


def _overview(runs: tuple[Run, ...]) -> Table:
    """Return one row for each run."""
    table = _framed("scenario", "steps", "loss", "status", "verdict", "time", left=("scenario", "status", "verdict"))
    for run in runs:
        table.add_row(
            _text(cut(run.scenario, 28)),
            str(run.steps) if run.loss else "",
            f"{short(run.loss.first, 3)} → {short(run.loss.last, 3)}" if run.loss else "",
            str(run.status),
            _text((str(run.verdict), COLOURS[run.verdict])),
            duration(run.seconds),
        )
    return table


def _complaints(run: Run) -> Iterator[Text]:
    """Yield what a reader of the overview must know about a run: what failed, and what shows nothing."""
    for expectation in run.expectations:
        if not expectation.passed or expectation.vacuous:
            word, colour = ("vacuous", "yellow") if expectation.passed else ("failed", "red")
            note = f" ({expectation.note})" if expectation.note else ""
            measured = cut(short(expectation.value, 6), 60)
            yield _text((f"{word} ", colour), f"{run.scenario}: {expectation.what}, measured {measured}{note}")
    if run.reason and run.verdict is Verdict.FAILED:
        yield _text("       ", (f"{run.scenario}: {run.reason}", "dim"))


def _summary(batch: Batch) -> Text:
    """Return how many passed, failed, expected nothing, or were not valid."""
    counts = [(sum(run.verdict is verdict for run in batch.runs), verdict) for verdict in Verdict]
    parts: list[str | tuple[str, str]] = []
    for count, verdict in counts:
        if count:
            words = "without expectations" if verdict is Verdict.NONE else str(verdict)
            parts += [(f"{count} {words}", f"bold {COLOURS[verdict]}"), ", "]
    if broken := len({error.file for error in batch.errors}):
        parts += [(f"{broken} not valid", "bold red"), ", "]
    return _text(*parts[:-1], (f"  {duration(batch.seconds)}", "dim")) if parts else _text("nothing ran")
