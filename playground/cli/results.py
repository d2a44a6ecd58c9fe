"""`playground results`: list stored sweeps and show their runs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from playground.cli.common_options import AsJson, Sort, Where
from playground.cli.completion import complete_sweep
from playground.cli.context import document_stream, echo, exit_on_errors, print_note, write_document
from playground.cli.help_pages import PlainCommand
from playground.cli.shared_options import SharedOptionsGroup
from playground.errors import ExitCode

if TYPE_CHECKING:
    from playground.runner.store import Row, StaleSweep, Store, SweepRecord, Tally

results_app = typer.Typer(
    cls=SharedOptionsGroup,
    help="List stored sweeps, or show the runs of one.",
    invoke_without_command=True,
    rich_markup_mode=None,
)

ID_CHARACTERS = 12
"""Characters of a sweep's id that are printed; commands accept any unambiguous beginning of an id."""

MAX_LISTED_RUNS = 20
"""Runs that `results show` prints by default."""


@results_app.callback()
def results(context: typer.Context, as_json: AsJson = False) -> None:
    """List stored sweeps, or show the runs of one."""
    if context.invoked_subcommand is None:
        list_sweeps(context, as_json)
    elif as_json:
        print_note(f"--json: give it after {context.invoked_subcommand}")
        raise typer.Exit(ExitCode.INVALID)


@results_app.command("list", cls=PlainCommand)
def list_sweeps(context: typer.Context, as_json: AsJson = False) -> None:
    """List stored sweeps, oldest first.

    Shows the id, time, scenario, number of runs, share of passed runs and engine of each.
    """
    from playground.runner.store.exporting import sweep_data
    from playground.runner.store.opening import store_path

    if not as_json and not store_path(Path()).exists():
        where = store_path(Path())
        print_note(f"{where}: no results yet; `playground sweep` stores them in its working directory")
        return
    with open_store(context) as store:
        sweeps = [(sweep, store.tally(sweep.id)) for sweep in store.sweeps()]
        if as_json:
            content = [sweep_data(*each) for each in sweeps]
            _print_json(content)
            return
        _print_sweeps(sweeps, store.stale)
        echo(f"\nin {store.path}")


@results_app.command("show", cls=PlainCommand)
def show_sweep(
    context: typer.Context,
    sweep_id: Annotated[
        str, typer.Argument(metavar="ID", help="A sweep's id, or the beginning of it.", autocompletion=complete_sweep)
    ],
    where: Where = None,
    sort: Sort = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            metavar="N",
            min=1,
            help=f"Show at most this many runs; by default {MAX_LISTED_RUNS}, or all with --json.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the runs of a sweep."""
    from playground.runner.store.exporting import write_json

    with open_store(context) as store:
        sweep, conditions = store.sweep(sweep_id), where or []
        if as_json:
            with document_stream() as stream:
                write_json(stream, [(sweep, store.tally(sweep.id))], store.rows(sweep.id, conditions, sort, limit))
            return
        runs, most = store.select(sweep.id, conditions, arrays=()), limit or MAX_LISTED_RUNS
        listed = store.select(sweep.id, conditions, sort, most, arrays=()) if sort else runs.take(slice(most))
        chosen = runs.tally()
        _print_head(sweep, store.tally(sweep.id) if conditions else chosen, store.stale(sweep))
        shown = _print_runs(sweep, [row for _, row in listed.rows(arrays=False)], runs.metrics())
        if chosen.runs > shown:
            echo(f"… {chosen.runs - shown} more; --limit N shows more, `playground export` writes all of them")


@contextmanager
def open_store(context: typer.Context) -> Iterator[Store]:
    """Open the store of the working directory; exit with a one-line message if that fails."""
    from playground.runner.store import Store

    with exit_on_errors(context), Store.open(Path(), create=False) as store, store.snapshot():
        yield store
        for sentence in store.damaged.values():
            print_note(f"{sentence} are left out; `playground sweep` computes them again")


def _print_json(sweeps: list[dict[str, Any]]) -> None:
    from playground.result import SCHEMA, json_value

    write_document(json.dumps(json_value({"schema": SCHEMA, "sweeps": sweeps}), indent=2, ensure_ascii=False) + "\n")


def _print_sweeps(
    sweeps: Sequence[tuple[SweepRecord, Tally]], stale: Callable[[SweepRecord], list[StaleSweep]]
) -> None:
    """Print a line for each sweep, followed by the reason why it could not reuse the runs of an earlier one."""
    head = ["id", "when", "scenario", "runs", "passed", "engine"]
    rows = [
        [
            sweep.id[:ID_CHARACTERS],
            _format_time(sweep),
            sweep.scenario,
            _count(sweep, tally),
            _share(tally),
            sweep.engine,
        ]
        for sweep, tally in sweeps
    ]
    first, *lines = _align_columns([head, *rows], right={3, 4})
    echo(first)
    for line, (sweep, _) in zip(lines, sweeps, strict=True):
        echo(line)
        for each in stale(sweep)[:1]:
            echo(f"  {_format_stale(each)}")


def _print_head(sweep: SweepRecord, tally: Tally, stale: Iterable[StaleSweep]) -> None:
    from playground.figures.text import make_printable

    statuses = ", ".join(f"{count} {status}" for status, count in sorted(tally.statuses.items()))
    points, seeds = ("" if number == 1 else "s" for number in (len(sweep.points), sweep.seeds))
    grid = f"{len(sweep.points):,} point{points}, {sweep.seeds:,} seed{seeds} each"
    lines = [
        f"sweep {sweep.id[:ID_CHARACTERS]} of {sweep.scenario}, {_format_time(sweep)} UTC",
        sweep.command,
        f"{grid}: {_count(sweep, tally)} runs, {_share(tally)} passed, engine {sweep.engine}",
        statuses,
        *map(_format_stale, stale),
    ]
    for line in filter(None, lines):
        echo(make_printable(line))
    echo()


def _print_runs(sweep: SweepRecord, rows: Sequence[Row], metrics: Sequence[str]) -> int:
    """Print a table of runs and return their number. Axes keep all their digits, so that `--where` can match them."""
    from playground.figures.numbers import format_column
    from playground.runner.store.query import unique_labels

    if not rows:
        echo("No runs match.")
        return 0
    axis_labels, metric_labels = unique_labels(sweep.axes, metrics)
    columns: list[tuple[str, list[str]]] = [
        *((label, [_axis(sweep.points[row.point].get(axis)) for row in rows]) for axis, label in axis_labels.items()),
        ("seed", [str(row.seed) for row in rows]),
        ("status", [row.status for row in rows]),
        ("verdict", [row.verdict for row in rows]),
        ("steps", [str(row.steps) for row in rows]),
        ("first", format_column([_loss(row, row.first) for row in rows])),
        ("last", format_column([_loss(row, row.last) for row in rows])),
        *((label, format_column([row.metrics.get(name) for row in rows])) for name, label in metric_labels.items()),
    ]
    words = {"status", "verdict"}
    right = {index for index, (name, _) in enumerate(columns) if name not in words}
    table = zip(*([name, *cells] for name, cells in columns), strict=True)
    for line in _align_columns([list(cells) for cells in table], right):
        echo(line)
    return len(rows)


def _loss(row: Row, value: float) -> float | None:
    """Return a loss of a run; None for a run that ended in an error before it had one."""
    return None if row.status == "error" and math.isnan(value) else value


def _axis(value: Any) -> str:
    from playground.runner.store.records import compact_json

    if value is None:
        return "–"
    return value if isinstance(value, str) else compact_json(value)


def _align_columns(rows: list[list[str]], right: set[int]) -> list[str]:
    """Return a line for each row, with the columns aligned."""
    from playground.figures.text import make_printable

    cells = [[make_printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]

    def align_cell(index: int, cell: str) -> str:
        align: Callable[[int], str] = cell.rjust if index in right else cell.ljust
        return align(widths[index])

    return ["  ".join(align_cell(index, cell) for index, cell in enumerate(row)).rstrip() for row in cells]


def _format_time(sweep: SweepRecord) -> str:
    return sweep.created[:19].replace("T", " ")


def _count(sweep: SweepRecord, tally: Tally) -> str:
    """Return the number of runs, and the expected number while some are missing."""
    wanted = len(sweep.points) * sweep.seeds
    return str(tally.runs) if tally.runs == wanted else f"{tally.runs} of {wanted}"


def _share(tally: Tally) -> str:
    return "–" if tally.passed is None else f"{tally.passed:.1%}"


def _format_stale(stale: StaleSweep) -> str:
    return f"{stale} (sweep {stale.sweep.id[:ID_CHARACTERS]}, {_format_time(stale.sweep)})"
