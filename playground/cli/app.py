"""The command `playground`: its subcommands and the options that all of them share."""

from __future__ import annotations

from typing import Annotated

import typer

from playground.cli import check, compare, eject, explain, export, listing, live, plot, report, run, schema, show, sweep
from playground.cli.completion import complete_plugin
from playground.cli.context import Settings, print_version
from playground.cli.help_pages import PlainCommand
from playground.cli.new import new_app
from playground.cli.plugins import plugins_app
from playground.cli.results import results_app
from playground.cli.shared_options import SharedOptionsGroup
from playground.cli.suite import suite_app

app = typer.Typer(
    name="playground",
    cls=SharedOptionsGroup,
    help="Describe an objective, an optimizer and the results you expect in YAML; run it and inspect every number.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def keep_shared_options(
    context: typer.Context,
    plugin: Annotated[
        list[str] | None,
        typer.Option(
            "-p",
            "--plugin",
            metavar="FILE|NAME|no:NAME",
            help="Load a plugin; no:NAME blocks one.",
            autocompletion=complete_plugin,
        ),
    ] = None,
    strict_plugins: Annotated[
        bool, typer.Option("--strict-plugins", help="Exit with code 3 if a plugin fails to load.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback behind an error message.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Keep the options given before the command's name; they may be given after it as well."""
    context.obj = Settings(tuple(plugin or ()), strict_plugins, debug)


app.command("run", cls=PlainCommand)(run.run)
app.command("live", cls=PlainCommand)(live.live)
app.command("sweep", cls=PlainCommand)(sweep.sweep)
app.command("compare", cls=PlainCommand)(compare.compare)
app.add_typer(suite_app, name="suite")
app.add_typer(results_app, name="results")
app.command("export", cls=PlainCommand)(export.export)
app.command("report", cls=PlainCommand)(report.report)
app.command("explain", cls=PlainCommand)(explain.explain)
app.command("plot", cls=PlainCommand)(plot.plot)
app.command("eject", cls=PlainCommand)(eject.eject)
app.command("check", cls=PlainCommand)(check.check)
app.command("list", cls=PlainCommand)(listing.list_components)
app.command("show", cls=PlainCommand)(show.show)
app.add_typer(plugins_app, name="plugins")
app.command("schema", cls=PlainCommand)(schema.schema)
app.add_typer(new_app, name="new")
