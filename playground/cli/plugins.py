"""`playground plugins`: what is loaded from where, with what it offers; what failed and why."""

from __future__ import annotations

import typer

from playground.cli.context import every_plugin, failures_code


def list_plugins(context: typer.Context) -> None:
    """List plugins with where they come from and what they offer; then those that failed, with the cause."""
    plugins = every_plugin(context)
    for plugin in plugins.loaded:
        typer.echo(str(plugin))
        for kind, names in plugin.offers.items():
            typer.echo(f"  {kind}: {', '.join(names)}")
    for failure in plugins.failures:
        typer.echo(f"FAILED {failure}")
    raise typer.Exit(failures_code(context, plugins.failures))
