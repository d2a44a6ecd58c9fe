"""`playground report`: write reports of stored sweeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from playground.cli.common_options import Html, NoLive, Reports
from playground.cli.completion import complete_sweep
from playground.cli.context import exit_on_errors, load_plugins, print_note
from playground.cli.results import ID_CHARACTERS, open_store
from playground.cli.run import choose_recorded, find_writers, write_report
from playground.errors import ExitCode, ScenarioError, StoreError
from playground.result import Batch, Sweep

if TYPE_CHECKING:
    from playground.plugins.manager import Plugins
    from playground.runner.single.record_options import RecordOptions
    from playground.runner.store import Store, SweepRecord


def report(
    context: typer.Context,
    query: Annotated[
        str | None,
        typer.Argument(
            metavar="QUERY",
            help="A sweep's id, the beginning of it, or a scenario's name; all sweeps if not given.",
            autocompletion=complete_sweep,
        ),
    ] = None,
    html: Html = None,
    reports: Reports = None,
    no_live: NoLive = False,
) -> None:
    """Write reports of stored sweeps.

    Nothing is computed, except for a page: one run at the best setting of each sweep, which the page can run itself.
    """
    plugins = load_plugins(context)
    with exit_on_errors(context):
        writers = find_writers(plugins, reports, html=html)
    if not writers:
        print_note("nothing to write: give --html FILE or --report NAME=FILE")
        raise typer.Exit(ExitCode.INVALID)
    with open_store(context) as store:
        record = choose_recorded(writers, live=not no_live)
        sweeps = _read_sweeps(store, _find_sweeps(store, query), plugins, record)
    batch = Batch((), sweeps=sweeps)
    raise typer.Exit(max(write_report(context, write, batch, path) for write, path in writers))


def _find_sweeps(store: Store, query: str | None) -> list[SweepRecord]:
    """Return the sweeps that match a query.

    :raises StoreError: no sweep matches.
    """
    sweeps = store.sweeps()
    if not sweeps:
        raise StoreError(f"{store.path}: no sweeps yet; `playground sweep` stores them here")
    return sweeps if query is None else store.find_sweeps(query)


def _read_sweeps(
    store: Store, records: list[SweepRecord], plugins: Plugins, recorded: RecordOptions
) -> tuple[Sweep, ...]:
    """Read sweeps from the store; print a line for each whose scenario this version refuses, and skip it.

    :param recorded: what to record of a run at the best setting.
    :raises typer.Exit: all were skipped.
    """
    from playground.runner.sweeping.example import add_example
    from playground.runner.sweeping.summary import load_stored_scenario, summarize_stored_sweep

    accepted = []
    for record in records:
        try:
            sweep = summarize_stored_sweep(store, record)
            accepted.append(add_example(sweep, load_stored_scenario(record), plugins, recorded))
        except ScenarioError as error:
            reason = f"this version refuses its scenario: {error.faults[0]}"
            print_note(f"sweep {record.id[:ID_CHARACTERS]} of {record.scenario} is skipped: {reason}")
    if not accepted:
        raise typer.Exit(ExitCode.INVALID)
    return tuple(accepted)
