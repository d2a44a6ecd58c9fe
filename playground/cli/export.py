"""`playground export`: write stored runs for other programs."""

from __future__ import annotations

import enum
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TextIO

import typer

from playground.cli.common_options import Out, Sort, Where
from playground.cli.completion import complete_sweep
from playground.cli.context import document_stream, exit_on_errors
from playground.cli.results import open_store
from playground.cli.writing import require_free
from playground.errors import StoreError
from playground.report.writing import write_whole


class ExportFormat(enum.StrEnum):
    """The formats of an export."""

    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"


def export(
    context: typer.Context,
    sweep_id: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            help="A sweep's id, or the beginning of it; all sweeps if not given.",
            autocompletion=complete_sweep,
        ),
    ] = None,
    form: Annotated[
        ExportFormat, typer.Option("--format", metavar="csv|parquet|json", help="Write them in this format.")
    ] = ExportFormat.CSV,
    out: Out = None,
    where: Where = None,
    sort: Sort = None,
    traces: Annotated[bool, typer.Option("--traces", help="Add the stored losses of each run to Parquet.")] = False,
) -> None:
    """Write stored runs as CSV, Parquet or JSON, one row for each run."""
    from playground.runner.store.exporting import RunTable, require_parquet, write_csv, write_json, write_parquet

    with exit_on_errors(context):
        require_free(out)
    with open_store(context) as store:
        sweeps = store.sweeps() if sweep_id is None else [store.sweep(sweep_id)]
        chosen, conditions = None if sweep_id is None else sweeps[0].id, where or []
        runs = store.select(chosen, conditions, sort, arrays=_find_arrays(form, traces))

        def write(stream: TextIO) -> None:
            if form is ExportFormat.JSON:
                write_json(stream, [(sweep, store.tally(sweep.id)) for sweep in sweeps], runs.rows())
            else:
                write_csv(stream, RunTable(sweeps, runs.metrics()), runs)

        if traces and form is not ExportFormat.PARQUET:
            raise StoreError("--traces is for Parquet; JSON has the losses of each run, CSV has none")
        if form is ExportFormat.PARQUET:
            require_parquet()
            if out is None:
                raise StoreError("Parquet cannot be written to standard output; give --out FILE")
            table = RunTable(sweeps, runs.metrics())
            write_whole(out, lambda path: write_parquet(path, table, runs, traces, in_order=sort is not None))
        elif out is None:
            with document_stream() as stream:
                write(stream)
        else:
            write_whole(out, lambda path: _to_file(path, write))


def _find_arrays(form: ExportFormat, traces: bool) -> tuple[str, ...]:
    """Return which arrays of runs an export reads."""
    if form is ExportFormat.CSV:
        return ()
    return ("parameters", "trace") if form is ExportFormat.JSON or traces else ("parameters",)


def _to_file(path: Path, write: Callable[[TextIO], None]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        write(stream)
