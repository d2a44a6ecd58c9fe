"""`playground show`: one component in full."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer

from playground.cli.context import echo, exit_on_errors, load_plugins


def show(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="optimizer, model, loss, ...")],
    name: Annotated[str, typer.Argument(help="The name that a scenario uses.")],
) -> None:
    """Show a component: what it does, its parameters with types and defaults, and where it comes from."""
    plugins = load_plugins(context)
    with exit_on_errors(context):
        from playground.plugins.describe import DEFAULT_WIDTH, describe

        width = min(DEFAULT_WIDTH, shutil.get_terminal_size((DEFAULT_WIDTH, 1)).columns)
        for line in describe(plugins.registry.get(kind, name), width):
            echo(line)
