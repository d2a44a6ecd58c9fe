"""`playground list`: the names that a scenario may use."""

from __future__ import annotations

from typing import Annotated

import typer

from playground.cli.context import echo, load_plugins, say
from playground.errors import ExitCode, suggestion


def list_components(
    context: typer.Context,
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", help="Only this kind: optimizer, model, ...")] = None,
) -> None:
    """List registered components by kind; names of other plugins than the built-in one carry its name."""
    from playground.plugins.registry import KINDS

    registry = load_plugins(context).registry
    if kind is not None and kind not in KINDS:
        say(f"unknown kind {kind!r}{suggestion(kind, KINDS)}")
        raise typer.Exit(ExitCode.INVALID)
    for each in [kind] if kind else KINDS:
        echo(each)
        for name in registry.names(each):
            plugin = registry.get(each, name).origin.plugin
            echo(f"  {name}" if plugin == "builtin" else f"  {name}  ({plugin})")
