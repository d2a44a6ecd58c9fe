"""`playground report`: stored results, written by any reporter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from playground.cli.context import errors, load_plugins, say
from playground.cli.results import ID, stored
from playground.cli.run import found_writers, written
from playground.errors import ExitCode, ScenarioError, StoreError
from playground.result import Batch, Sweep

if TYPE_CHECKING:
    from playground.runner.store import Store, SweepRecord


def report(
    context: typer.Context,
    query: Annotated[
        str | None,
        typer.Argument(metavar="[QUERY]", help="A sweep's id, the beginning of it, or a scenario's name; else all."),
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write one page to look at.")] = None,
    reports: Annotated[
        list[str] | None, typer.Option("--report", metavar="NAME=FILE", help="Write any reporter's output.")
    ] = None,
) -> None:
    """Write a report of stored sweeps; nothing is computed again."""
    plugins = load_plugins(context)
    with errors(context):
        writers = found_writers(plugins, reports, html=html)
    if not writers:
        say("nothing to write: give --html FILE or --report NAME=FILE")
        raise typer.Exit(ExitCode.INVALID)
    with stored(context) as store:
        sweeps = _accepted(store, _asked(store, query))
    batch = Batch((), sweeps=sweeps)
    raise typer.Exit(max(written(context, write, batch, path) for write, path in writers))


def _asked(store: Store, query: str | None) -> list[SweepRecord]:
    """Return the sweeps that are asked for.

    :raises StoreError: there is none.
    """
    sweeps = store.sweeps()
    if not sweeps:
        raise StoreError(f"{store.path}: there are no sweeps yet; `playground sweep` writes them")
    return sweeps if query is None else store.asked(query)


def _accepted(store: Store, records: list[SweepRecord]) -> tuple[Sweep, ...]:
    """Read sweeps back; print a line for each whose scenario this version refuses, and leave it out.

    :raises typer.Exit: none is left.
    """
    from playground.runner.sweeping.summing import stored_sweep

    accepted = []
    for record in records:
        try:
            accepted.append(stored_sweep(store, record))
        except ScenarioError as error:
            reason = f"this version refuses its scenario: {error.faults[0]}"
            say(f"sweep {record.id[:ID]} of {record.scenario} is left out: {reason}")
    if not accepted:
        raise typer.Exit(ExitCode.INVALID)
    return tuple(accepted)
