"""`playground plugins`: what is loaded from where, with what it offers; what failed and why."""

from __future__ import annotations

from pathlib import Path

import typer

from playground.cli.context import errors
from playground.errors import ExitCode


def list_plugins(context: typer.Context) -> None:
    """List plugins with where they come from and what they offer; then those that failed, with the cause."""
    from playground.plugins.manager import load_plugins

    with errors(context):
        plugins = load_plugins(specs=context.obj.plugins, folder=Path.cwd())
    for plugin in plugins.loaded:
        typer.echo(str(plugin))
        for kind, names in plugin.offers.items():
            typer.echo(f"  {kind}: {', '.join(names)}")
    for failure in plugins.failures:
        typer.echo(f"FAILED {failure}")
    if plugins.failures and context.obj.strict:
        raise typer.Exit(ExitCode.PLUGIN)
