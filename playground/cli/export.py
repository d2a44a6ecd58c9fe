"""`playground export`: stored runs for other programs."""

from __future__ import annotations

import enum
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TextIO

import typer

from playground.cli.context import document_stream, exit_on_errors
from playground.cli.results import Sort, Where, open_store
from playground.cli.writing import require_free, write_whole
from playground.errors import StoreError


class ExportFormat(enum.StrEnum):
    """What an export can be written as."""

    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"


def export(
    context: typer.Context,
    sweep_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A sweep's id, or the beginning of it; without it, all sweeps.")
    ] = None,
    form: Annotated[ExportFormat, typer.Option("--format", help="What to write.")] = ExportFormat.CSV,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it to a file.")] = None,
    where: Where = None,
    sort: Sort = None,
) -> None:
    """Write stored runs, one line each, for spreadsheets, data frames and other programs."""
    from playground.runner.store.exporting import RunTable, require_parquet, write_csv, write_json, write_parquet

    with exit_on_errors(context):
        require_free(out)
    with open_store(context) as store:
        sweeps = store.sweeps() if sweep_id is None else [store.sweep(sweep_id)]
        chosen, conditions = None if sweep_id is None else sweeps[0].id, where or []
        runs = store.rows(chosen, conditions, sort)

        def write(stream: TextIO) -> None:
            if form is ExportFormat.JSON:
                write_json(stream, [(sweep, store.tally(sweep.id)) for sweep in sweeps], runs)
            else:
                write_csv(stream, RunTable(sweeps, store.metrics(chosen, conditions)), runs)

        if form is ExportFormat.PARQUET:
            require_parquet()
            if out is None:
                raise StoreError("Parquet is not for a terminal; say where to write it: --out FILE")
            table = RunTable(sweeps, store.metrics(chosen, conditions))
            write_whole(out, lambda path: write_parquet(path, table, runs))
        elif out is None:
            with document_stream() as stream:
                write(stream)
        else:
            write_whole(out, lambda path: _to_file(path, write))


def _to_file(path: Path, write: Callable[[TextIO], None]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        write(stream)
