"""`playground plugins`: list plugins with their components and failures; examine one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from playground.cli.completion import complete_plugin_name
from playground.cli.context import echo, exit_on_errors, load_all_plugins
from playground.cli.exit_codes import choose_doctor_exit_code, choose_plugin_exit_code
from playground.cli.help_pages import PlainCommand
from playground.cli.shared_options import SharedOptionsGroup

if TYPE_CHECKING:
    from playground.plugins.doctor import Examination

plugins_app = typer.Typer(
    cls=SharedOptionsGroup,
    help="List plugins, or examine one for problems.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


@plugins_app.callback()
def plugins(context: typer.Context) -> None:
    """List plugins, or examine one for problems.

    The list shows the source and the components of each plugin, then the plugins that failed and why.
    """
    if context.invoked_subcommand is None:
        list_plugins(context)


def list_plugins(context: typer.Context) -> None:
    """List the plugins that were loaded, then those that failed."""
    plugins = load_all_plugins(context)
    for plugin in plugins.loaded:
        echo(str(plugin))
        for kind, names in plugin.offers.items():
            echo(f"  {kind}: {', '.join(names)}")
    for failure in plugins.failures:
        echo(f"FAILED {failure}")
    raise typer.Exit(choose_plugin_exit_code(plugins.failures, context.obj.strict))


@plugins_app.command("doctor", cls=PlainCommand)
def doctor(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE",
            help="A plugin's name, its distribution or module, or a file.",
            autocompletion=complete_plugin_name,
        ),
    ],
) -> None:
    """Examine a plugin for problems.

    Lists problems, most likely first. For a plugin that loads, shows its file, how long its import takes in a fresh
    interpreter, and the names of its components.
    """
    with exit_on_errors(context):
        from playground.plugins.doctor import examine
        from playground.runner.loading.component_trials import find_fault

        examinations = examine(name, specs=context.obj.plugins, attempt=find_fault)
    for examination in examinations:
        _print(examination)
    healthy = not any(examination.faults for examination in examinations)
    raise typer.Exit(choose_doctor_exit_code(healthy, context.obj.strict))


def _print(examination: Examination) -> None:
    from playground.figures.numbers import format_duration
    from playground.figures.text import make_printable

    echo(f"{examination.origin}: {'not healthy' if examination.faults else 'healthy'}")
    for fault in examination.faults:
        echo(f"  WRONG {make_printable(fault)}")
    if examination.file:
        echo(f"  file: {examination.file}")
    if time := examination.time:
        way = (
            "import it inside a factory" if examination.origin.file else "give factories as 'package.module:attribute'"
        )
        torch = f"; this imports torch, which can wait: {way}" if time.torch else ""
        took = format_duration(time.seconds) if time.seconds >= 0.001 else "less than 1 ms"
        echo(f"  import: {took} in a fresh interpreter, after playground's own{torch}")
    for kind, names in examination.offers.items():
        echo(f"  {kind}: {', '.join(names)}")
    if examination.events:
        echo(f"  events: {', '.join(examination.events)}")
