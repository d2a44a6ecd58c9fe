"""`playground results`: the sweeps that are stored, and their runs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from playground.cli.context import errors, say
from playground.cli.shared_options import SharedOptionsGroup
from playground.errors import ExitCode

if TYPE_CHECKING:
    from playground.runner.store import Row, Stale, Store, SweepRecord, Tally

results_app = typer.Typer(
    cls=SharedOptionsGroup,
    help="Look at stored results: every sweep, or the runs of one.",
    invoke_without_command=True,
    rich_markup_mode=None,
)

ID = 12
"""Characters of a sweep's id that are shown; commands take any beginning that only one has."""

SHOWN = 20
"""Runs that `show` prints when nothing else is asked for."""

Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="CONDITION", help="Only runs with KEY OP VALUE: status=diverged, last>0.1."),
]
Sort = Annotated[
    str | None, typer.Option("--sort", metavar="[-]KEY", help="Sort by a key; -KEY puts the largest first.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


@results_app.callback()
def results(context: typer.Context, as_json: AsJson = False) -> None:
    """Look at stored results; without a command, list the sweeps."""
    if context.invoked_subcommand is None:
        list_sweeps(context, as_json)
    elif as_json:
        say(f"--json stands after {context.invoked_subcommand}")
        raise typer.Exit(ExitCode.INVALID)


@results_app.command("list")
def list_sweeps(context: typer.Context, as_json: AsJson = False) -> None:
    """List sweeps, the oldest first: id, when, scenario, how many runs, how many passed, which engine."""
    from playground.runner.store.exporting import sweep_data
    from playground.runner.store.opening import store_path

    if not as_json and not store_path(Path()).exists():
        where = store_path(Path())
        say(f"{where}: there are no results yet; `playground sweep` writes them below the directory it runs in")
        return
    with stored(context) as store:
        sweeps = [(sweep, store.tally(sweep.id)) for sweep in store.sweeps()]
        if as_json:
            content = [sweep_data(*each) for each in sweeps]
            _print_json(content)
            return
        _print_sweeps(sweeps, store.stale)
        typer.echo(f"\nin {store.path}")


@results_app.command("show")
def show_sweep(
    context: typer.Context,
    sweep_id: Annotated[str, typer.Argument(metavar="ID", help="The sweep's id, or the beginning of it.")],
    where: Where = None,
    sort: Sort = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"Show at most this many runs; {SHOWN}, or with --json all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the runs of a sweep."""
    from playground.runner.store.exporting import write_json

    with stored(context) as store:
        sweep, conditions = store.sweep(sweep_id), where or []
        if as_json:
            runs = store.rows(sweep.id, conditions, sort, limit)
            write_json(sys.stdout, [(sweep, store.tally(sweep.id))], runs)
            return
        runs = store.rows(sweep.id, conditions, sort, limit or SHOWN)
        chosen = store.tally(sweep.id, conditions)
        _print_head(sweep, store.tally(sweep.id), store.stale(sweep))
        shown = _print_runs(sweep, [row for _, row in runs], store.metrics(sweep.id, conditions))
        if chosen.runs > shown:
            typer.echo(f"… {chosen.runs - shown} more: --limit N shows them, `playground export` writes them all")


@contextmanager
def stored(context: typer.Context) -> Iterator[Store]:
    """Open the store of the working directory; end with one line when that cannot be done."""
    from playground.runner.store import Store

    with errors(context), Store.open(Path(), create=False) as store:
        yield store


def _print_json(sweeps: list[dict[str, Any]]) -> None:
    from playground.result import SCHEMA, plain

    typer.echo(json.dumps(plain({"schema": SCHEMA, "sweeps": sweeps}), indent=2, ensure_ascii=False))


def _print_sweeps(sweeps: Sequence[tuple[SweepRecord, Tally]], stale: Callable[[SweepRecord], list[Stale]]) -> None:
    """Print a line for each sweep, and below it why it could not use the runs of an earlier one."""
    head = ["id", "when", "scenario", "runs", "passed", "engine"]
    rows = [
        [sweep.id[:ID], _when(sweep), sweep.scenario, _count(sweep, tally), _share(tally), sweep.engine]
        for sweep, tally in sweeps
    ]
    first, *lines = _lined_up([head, *rows], right={3, 4})
    typer.echo(first)
    for line, (sweep, _) in zip(lines, sweeps, strict=True):
        typer.echo(line)
        for each in stale(sweep)[:1]:
            typer.echo(f"  {_told(each)}")


def _print_head(sweep: SweepRecord, tally: Tally, stale: Iterable[Stale]) -> None:
    from playground.figures.text import printable

    statuses = ", ".join(f"{count} {status}" for status, count in sorted(tally.statuses.items()))
    points, seeds = ("" if number == 1 else "s" for number in (len(sweep.points), sweep.seeds))
    grid = f"{len(sweep.points):,} point{points}, {sweep.seeds:,} seed{seeds} each"
    lines = [
        f"sweep {sweep.id[:ID]} of {sweep.scenario}, {_when(sweep)} UTC",
        sweep.command,
        f"{grid}: {_count(sweep, tally)} runs, {_share(tally)} passed, engine {sweep.engine}",
        statuses,
        *map(_told, stale),
    ]
    for line in filter(None, lines):
        typer.echo(printable(line))
    typer.echo()


def _print_runs(sweep: SweepRecord, rows: Sequence[Row], metrics: Sequence[str]) -> int:
    """Print a table of runs; return how many. Axes have all their digits, so that `--where` can ask for them."""
    from playground.figures.numbers import column, short
    from playground.runner.store.query import labels

    if not rows:
        typer.echo("no run is like that")
        return 0
    axis_labels, metric_labels = labels(sweep.axes, metrics)
    columns: list[tuple[str, list[str]]] = [
        *((label, [_axis(sweep.points[row.point].get(axis)) for row in rows]) for axis, label in axis_labels.items()),
        ("seed", [str(row.seed) for row in rows]),
        ("status", [row.status for row in rows]),
        ("verdict", [row.verdict for row in rows]),
        ("steps", [str(row.steps) for row in rows]),
        ("first", column([_loss(row, row.first) for row in rows])),
        ("last", column([_loss(row, row.last) for row in rows])),
        *((label, column([row.metrics.get(name) for row in rows])) for name, label in metric_labels.items()),
    ]
    if any(row.sensitive is not None for row in rows):
        columns.append(("sensitive", [short(row.sensitive) for row in rows]))
    words = {"status", "verdict"}
    right = {index for index, (name, _) in enumerate(columns) if name not in words}
    table = zip(*([name, *cells] for name, cells in columns), strict=True)
    for line in _lined_up([list(cells) for cells in table], right):
        typer.echo(line)
    return len(rows)


def _loss(row: Row, value: float) -> float | None:
    """Return a loss of a run; a run that ended in an error has none."""
    return None if row.status == "error" and math.isnan(value) else value


def _axis(value: Any) -> str:
    from playground.runner.store.records import compact

    if value is None:
        return "–"
    return value if isinstance(value, str) else compact(value)


def _lined_up(rows: list[list[str]], right: set[int]) -> list[str]:
    """Return a line for each row, its cells below each other."""
    from playground.figures.text import printable

    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]

    def placed(index: int, cell: str) -> str:
        align: Callable[[int], str] = cell.rjust if index in right else cell.ljust
        return align(widths[index])

    return ["  ".join(placed(index, cell) for index, cell in enumerate(row)).rstrip() for row in cells]


def _when(sweep: SweepRecord) -> str:
    return sweep.created[:19].replace("T", " ")


def _count(sweep: SweepRecord, tally: Tally) -> str:
    """Return how many runs there are, and of how many, while some are missing."""
    wanted = len(sweep.points) * sweep.seeds
    return str(tally.runs) if tally.runs == wanted else f"{tally.runs} of {wanted}"


def _share(tally: Tally) -> str:
    return "–" if tally.passed is None else f"{tally.passed:.1%}"


def _told(stale: Stale) -> str:
    return f"{stale} (sweep {stale.sweep.id[:ID]}, {_when(stale.sweep)})"
