"""`playground plugins`: what is loaded from where, with what it offers; what failed and why; what is wrong with one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from playground.cli.context import echo, exit_code_of_failures, exit_on_errors, load_all_plugins
from playground.cli.shared_options import SharedOptionsGroup
from playground.errors import ExitCode

if TYPE_CHECKING:
    from playground.plugins.doctor import Examination

plugins_app = typer.Typer(
    cls=SharedOptionsGroup,
    help="List plugins and those that failed; or look what is wrong with one.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


@plugins_app.callback()
def plugins(context: typer.Context) -> None:
    """List plugins with where they come from and what they offer; then those that failed, with the cause."""
    if context.invoked_subcommand is None:
        list_plugins(context)


def list_plugins(context: typer.Context) -> None:
    """List what is loaded, then what failed."""
    plugins = load_all_plugins(context)
    for plugin in plugins.loaded:
        echo(str(plugin))
        for kind, names in plugin.offers.items():
            echo(f"  {kind}: {', '.join(names)}")
    for failure in plugins.failures:
        echo(f"FAILED {failure}")
    raise typer.Exit(exit_code_of_failures(context, plugins.failures))


@plugins_app.command("doctor")
def doctor(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A plugin, its distribution or module, or a file.")],
) -> None:
    """Say what is wrong with a plugin, or what it offers.

    What is wrong stands one below the other, the likeliest first; of a plugin that could be loaded follow its file,
    how long its import takes in a fresh interpreter, and the names of its components.
    """
    with exit_on_errors(context):
        from playground.plugins.doctor import examine
        from playground.runner.loading.component_trials import find_fault

        examinations = examine(name, specs=context.obj.plugins, attempt=find_fault)
    for examination in examinations:
        _print(examination)
    if any(examination.faults for examination in examinations):
        raise typer.Exit(ExitCode.PLUGIN if context.obj.strict else ExitCode.INVALID)


def _print(examination: Examination) -> None:
    from playground.figures.numbers import duration
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
        torch = f"; torch is among it, and can wait: {way}" if time.torch else ""
        took = duration(time.seconds) if time.seconds >= 0.001 else "less than 1 ms"
        echo(f"  import: {took} in a fresh interpreter, after playground's own{torch}")
    for kind, names in examination.offers.items():
        echo(f"  {kind}: {', '.join(names)}")
    if examination.events:
        echo(f"  hears: {', '.join(examination.events)}")
