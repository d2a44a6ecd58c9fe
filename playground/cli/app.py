"""The command `playground` and what all its commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from playground.cli import check, eject, explain, export, listing, plot, report, run, schema, show, sweep
from playground.cli.context import Settings, print_version
from playground.cli.new import new_app
from playground.cli.plugins import plugins_app
from playground.cli.results import results_app
from playground.cli.shared_options import SharedOptionsGroup

app = typer.Typer(
    name="playground",
    cls=SharedOptionsGroup,
    help="Write down what should go downhill, what moves it and what you expect; run it and see every number.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def keep_shared_options(
    context: typer.Context,
    plugin: Annotated[
        list[str] | None,
        typer.Option("-p", "--plugin", metavar="FILE|NAME|no:NAME", help="Load a plugin too, or leave one out."),
    ] = None,
    strict_plugins: Annotated[
        bool, typer.Option("--strict-plugins", help="A plugin that fails to load ends the command with exit code 3.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback behind an error message.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Keep what stands before the command's name; the same may stand after it."""
    context.obj = Settings(tuple(plugin or ()), strict_plugins, debug)


app.command("run")(run.run)
app.command("sweep")(sweep.sweep)
app.add_typer(results_app, name="results")
app.command("export")(export.export)
app.command("report")(report.report)
app.command("explain")(explain.explain)
app.command("plot")(plot.plot)
app.command("eject")(eject.eject)
app.command("check")(check.check)
app.command("list")(listing.list_components)
app.command("show")(show.show)
app.add_typer(plugins_app, name="plugins")
app.command("schema")(schema.schema)
app.add_typer(new_app, name="new")
